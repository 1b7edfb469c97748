using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;

// Reads safetensors files. The rules that are named here are those of endianproof's docs/spec/safetensors.md.
public static class Safetensors
{
    public class Error : Exception
    {
        public Error(string message) : base(message) { }
    }

    // Unit is the number of bytes that keep together: 2 for BF16, 4 for C64 (a pair of them), 1 for what is packed
    // narrower than a byte.
    public class ElementType
    {
        public string Name;
        public uint Bits;
        public int Unit;
    }

    public class Tensor
    {
        public string Name;
        public ElementType Type;
        public ulong[] Shape;
        public ulong[] Words; // the bits of each unit, as an integer: BitConverter makes numbers of them
        internal ulong Begin, End;
    }

    const ulong LongestHeader = 100000000;
    const string MetadataKey = "__metadata__";

    public static readonly Dictionary<string, ElementType> Types = new Dictionary<string, ElementType>();

    static Safetensors()
    {
        const string table =
            "BOOL bool 8 1|U8 uint8 8 1|I8 int8 8 1|U16 uint16 16 2|I16 int16 16 2|F16 float16 16 2|" +
            "BF16 bfloat16 16 2|U32 uint32 32 4|I32 int32 32 4|F32 float32 32 4|U64 uint64 64 8|I64 int64 64 8|" +
            "F64 float64 64 8|C64 complex64 64 4|F8_E4M3 float8_e4m3fn 8 1|F8_E5M2 float8_e5m2 8 1|" +
            "F8_E8M0 float8_e8m0fnu 8 1|F8_E4M3FNUZ float8_e4m3fnuz 8 1|F8_E5M2FNUZ float8_e5m2fnuz 8 1|" +
            "F6_E2M3 float6_e2m3fn 6 1|F6_E3M2 float6_e3m2fn 6 1|F4 float4_e2m1fn 4 1";
        foreach (var row in table.Split('|').Select(row => row.Split(' ')))
            Types[row[0]] = new ElementType { Name = row[1], Bits = uint.Parse(row[2]), Unit = int.Parse(row[3]) };
    }

    public static List<Tensor> Load(string path)
    {
        using (var file = File.OpenRead(path))
        {
            ulong start;
            var header = ReadHeader(file, out start);
            CheckUnique(header, "the header");
            foreach (var member in header.Where(member => member.Key == MetadataKey)) CheckMetadata(member.Value);
            var entries = header.Where(member => member.Key != MetadataKey);
            var tensors = entries.Select(member => Describe(member.Key, member.Value)).ToList();
            CheckCoverage(tensors, (ulong)file.Length - start);
            foreach (var tensor in tensors)
            {
                file.Position = (long)(start + tensor.Begin);
                tensor.Words = Words(Bytes(file, (int)(tensor.End - tensor.Begin)), tensor.Type.Unit);
            }
            return tensors;
        }
    }

    static byte[] Bytes(FileStream file, int count)
    {
        var bytes = new byte[count];
        for (int done = 0, came; done < count; done += came)
            if ((came = file.Read(bytes, done, count - done)) == 0) throw new EndOfStreamException();
        return bytes;
    }

    // Least significant byte first, by shifts: BitConverter.ToUInt32 reads in the machine's order.
    static ulong[] Words(byte[] bytes, int unit)
    {
        var words = new ulong[bytes.Length / unit];
        for (var i = 0; i < bytes.Length; i++) words[i / unit] |= (ulong)bytes[i] << 8 * (i % unit);
        return words;
    }

    static Json.Members ReadHeader(FileStream file, out ulong start)
    {
        if (file.Length < 8) throw new Error("ST-HDR-02: a file of " + file.Length + " bytes");
        var length = Words(Bytes(file, 8), 8)[0];
        if (length > LongestHeader) throw new Error("ST-HDR-03: a header of " + length + " bytes");
        if (8 + length > (ulong)file.Length) throw new Error("ST-HDR-04: the header reaches past the file's end");
        start = 8 + length;
        string text;
        try
        {
            text = new UTF8Encoding(false, true).GetString(Bytes(file, (int)length));
        }
        catch (ArgumentException error)
        {
            throw new Error("ST-HDR-05: the header is no UTF-8: " + error.Message);
        }
        if (text.Length == 0 || text[0] != '{') throw new Error("ST-HDR-05, 06: the header does not begin with {");
        int end;
        var header = (Json.Members)Json.Read(text, out end);
        if (text.Substring(end).Trim(' ') != "") throw new Error("ST-HDR-08, 09: no spaces behind the header");
        return header;
    }

    static void CheckUnique(Json.Members members, string where)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in members)
            if (!seen.Add(member.Key)) throw new Error("ST-JSON-02, 04, 14, 20: " + member.Key + " twice in " + where);
    }

    static void CheckMetadata(object value)
    {
        var metadata = value as Json.Members;
        if (metadata == null) throw new Error("ST-JSON-03, 05: __metadata__ is no object");
        if (metadata.Any(member => !(member.Value is string))) throw new Error("ST-JSON-03: no string in __metadata__");
        CheckUnique(metadata, MetadataKey);
    }

    static Tensor Describe(string name, object value)
    {
        var entry = value as Json.Members;
        if (entry == null) throw new Error("ST-JSON-08, 19: the entry of " + name + " is no object");
        foreach (var key in new[] { "dtype", "shape", "data_offsets" }) // others are nobody's business: ST-JSON-07
            if (entry.Count(member => member.Key == key) != 1)
                throw new Error("ST-JSON-09: the entry of " + name + " has not one " + key);
        ElementType type;
        if (!Types.TryGetValue(entry.Get("dtype") as string ?? "", out type))
            throw new Error("ST-DT-01, ST-JSON-19: the dtype of " + name);
        var shape = Integers(entry.Get("shape"), name);
        var offsets = Integers(entry.Get("data_offsets"), name);
        if (offsets.Length != 2) throw new Error("ST-JSON-09: " + offsets.Length + " offsets in the entry of " + name);
        var tensor = new Tensor { Name = name, Type = type, Shape = shape, Begin = offsets[0], End = offsets[1] };
        CheckLength(tensor);
        return tensor;
    }

    static ulong[] Integers(object value, string name)
    {
        var items = value as List<object>;
        if (items == null) throw new Error("ST-JSON-06: no array in the entry of " + name);
        return items.Select(item =>
        {
            ulong integer;
            var number = item as Json.Number;
            var isInteger = number != null && number.Text.All(char.IsDigit); // neither -0 nor 1e2
            if (!isInteger || !ulong.TryParse(number.Text, out integer))
                throw new Error("ST-JSON-06, 16: no integer from 0 to 2^64-1 in the entry of " + name);
            return integer;
        }).ToArray();
    }

    static void CheckLength(Tensor tensor)
    {
        ulong bits = tensor.Shape.Contains(0ul) ? 0 : tensor.Type.Bits; // ST-OFF-07, ST-OFF-09
        foreach (var size in tensor.Shape)
        {
            if (bits != 0 && size > ulong.MaxValue / bits) throw new Error("ST-OFF-04: the shape of " + tensor.Name);
            bits *= size;
        }
        if (tensor.Begin > tensor.End) throw new Error("ST-OFF-08: " + tensor.Name + " ends before it begins");
        if (bits % 8 != 0) throw new Error("ST-OFF-05: " + tensor.Name + " fills no whole bytes");
        if (tensor.End - tensor.Begin != bits / 8) throw new Error("ST-OFF-03: the length of " + tensor.Name);
    }

    static void CheckCoverage(List<Tensor> tensors, ulong size)
    {
        ulong covered = 0;
        foreach (var tensor in tensors.OrderBy(tensor => tensor.Begin).ThenBy(tensor => tensor.End))
        {
            if (tensor.Begin != covered) throw new Error("ST-OFF-01: " + tensor.Name + " does not begin at " + covered);
            covered = tensor.End;
        }
        if (covered != size) throw new Error("ST-OFF-02: " + size + " bytes behind the header, not " + covered);
    }
}
