using System;
using System.Collections.Generic;
using System.Text;
using System.Text.RegularExpressions;

// JSON, read strictly and written in ASCII. Mono's own readers keep the last of two equal keys and make doubles of
// large integers; a safetensors header must not be read so.
public static class Json
{
    public class Error : Exception
    {
        public Error(string message) : base(message) { }
    }

    // An object with its repeated keys, in order; a number as it stands in the text. What else a value can be:
    // string, List<object>, true, false, null.
    public class Members : List<KeyValuePair<string, object>>
    {
        public object Get(string key)
        {
            return Find(member => member.Key == key).Value;
        }
    }

    public class Number
    {
        public readonly string Text;
        public Number(string text) { Text = text; }
    }

    const int Deepest = 127; // levels of brackets: a parser that calls itself must stop somewhere
    static readonly Regex Numeral = new Regex(@"\G-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?");

    // The value at the start of a text, and at which character it ends.
    public static object Read(string text, out int end)
    {
        var reader = new Reader { Text = text };
        var value = reader.Value();
        end = reader.At;
        return value;
    }

    class Reader
    {
        public string Text;
        public int At;
        int depth;

        Error Bad(string expected) { return new Error("ST-JSON-01: no JSON at character " + At + ": expected " + expected); }

        bool Take(string mark)
        {
            while (At < Text.Length && " \t\n\r".IndexOf(Text[At]) >= 0) At++;
            var there = string.CompareOrdinal(Text, At, mark, 0, mark.Length) == 0;
            if (there) At += mark.Length;
            return there;
        }

        void Expect(string mark) { if (!Take(mark)) throw Bad(mark); }

        public object Value()
        {
            if (Take("{")) return Items("}", new Members(), found => found.Add(Member()));
            if (Take("[")) return Items("]", new List<object>(), found => found.Add(Value()));
            if (Take("\"")) return Characters();
            if (Take("true")) return true;
            if (Take("false")) return false;
            if (Take("null")) return null;
            var numeral = Numeral.Match(Text, At);
            if (!numeral.Success) throw Bad("a value");
            At += numeral.Length;
            return new Number(numeral.Value);
        }

        KeyValuePair<string, object> Member()
        {
            Expect("\"");
            var key = Characters();
            Expect(":");
            return new KeyValuePair<string, object>(key, Value());
        }

        List Items<List>(string end, List found, Action<List> read)
        {
            if (++depth > Deepest) throw new Error("ST-JSON-17: more than " + Deepest + " levels of brackets");
            if (!Take(end))
            {
                do read(found); while (Take(","));
                Expect(end);
            }
            depth--;
            return found;
        }

        string Characters()
        {
            var found = new StringBuilder();
            for (;; At++)
            {
                if (At >= Text.Length || Text[At] < ' ') throw Bad("a string's end");
                if (Text[At] == '"') break;
                found.Append(Text[At] == '\\' ? Escaped() : Text[At]);
            }
            At++;
            for (var i = 0; i < found.Length; i++) // a StringBuilder can be looked into; ST-JSON-13
            {
                var isPair = i + 1 < found.Length && char.IsSurrogatePair(found[i], found[i + 1]);
                if (isPair) i++;
                else if (char.IsSurrogate(found[i])) throw new Error("ST-JSON-13: half of a surrogate pair in a string");
            }
            return found.ToString();
        }

        // The character of the escape that begins here; ends at its last character.
        char Escaped()
        {
            At++;
            var which = At < Text.Length ? "\"\\/bfnrtu".IndexOf(Text[At]) : -1;
            if (which < 0) throw Bad("an escape");
            if (which < 8) return "\"\\/\b\f\n\r\t"[which];
            var digits = Regex.Match(Text.Substring(At + 1, Math.Min(4, Text.Length - At - 1)), "^[0-9a-fA-F]{4}$");
            if (!digits.Success) throw Bad("four hexadecimal digits");
            At += 4;
            return (char)Convert.ToInt32(digits.Value, 16);
        }
    }

    // A string as JSON in ASCII.
    public static string Quote(string text)
    {
        var found = new StringBuilder("\"");
        foreach (var character in text)
        {
            if (character == '"' || character == '\\') found.Append('\\').Append(character);
            else if (character >= ' ' && character < 127) found.Append(character);
            else found.AppendFormat("\\u{0:x4}", (int)character);
        }
        return found.Append('"').ToString();
    }

    // An object of JSON texts: key, value, key, value, ...
    public static string Object(params string[] keysAndValues)
    {
        var members = new List<string>();
        for (var i = 0; i < keysAndValues.Length; i += 2) members.Add(Quote(keysAndValues[i]) + ":" + keysAndValues[i + 1]);
        return "{" + string.Join(",", members) + "}";
    }

    public static string Array(IEnumerable<string> values) { return "[" + string.Join(",", values) + "]"; }
}
