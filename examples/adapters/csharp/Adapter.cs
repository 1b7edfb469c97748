using System;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Text;

// A testee for endianproof: pytest --testee="mono adapter.exe". This file is the protocol, and what to copy;
// Safetensors.cs is the loader under test, in whose place yours comes.
public static class Adapter
{
    static string Hello()
    {
        return Json.Object(
            "protocol", "1", "name", Json.Quote("Safetensors.Load"), "version", Json.Quote("1.0"),
            "runtime", Json.Quote("CLR " + Environment.Version), "machine", Json.Quote(Machine()),
            "byteorder", Json.Quote(BitConverter.IsLittleEndian ? "little" : "big"),
            "formats", Json.Array(new[] { Json.Quote("safetensors") }),
            "dtypes", Json.Array(Safetensors.Types.Values.Select(type => Json.Quote(type.Name))));
    }

    static string Machine()
    {
        return Environment.GetEnvironmentVariable("HOSTTYPE") ?? IntPtr.Size * 8 + " bits";
    }

    // Each element, or half of a complex one, least significant byte first.
    static byte[] Canonical(Safetensors.Tensor tensor)
    {
        var unit = tensor.Type.Unit;
        var bytes = new byte[tensor.Words.Length * unit];
        for (var i = 0; i < bytes.Length; i++) bytes[i] = (byte)(tensor.Words[i / unit] >> 8 * (i % unit));
        return bytes;
    }

    static string Message(Safetensors.Tensor tensor, string reply)
    {
        var bytes = Canonical(tensor);
        var value = reply == "data" ? Convert.ToBase64String(bytes) : Sha256(bytes);
        return Json.Object(
            "name", Json.Quote(tensor.Name), "dtype", Json.Quote(tensor.Type.Name),
            "shape", Json.Array(tensor.Shape.Select(size => size.ToString())), reply, Json.Quote(value));
    }

    static string Sha256(byte[] bytes)
    {
        using (var sha256 = SHA256.Create())
            return string.Concat(sha256.ComputeHash(bytes).Select(one => one.ToString("x2")));
    }

    static string Failure(string type, string message)
    {
        return Json.Object("type", Json.Quote(type), "message", Json.Quote(message));
    }

    static string Load(string id, string path, string format, string reply)
    {
        if (format != "safetensors")
            return Json.Object("id", id, "outcome", Json.Quote("unsupported"), "reason", Json.Quote("format " + format));
        try
        {
            var tensors = Safetensors.Load(path).Select(tensor => Message(tensor, reply));
            return Json.Object("id", id, "outcome", Json.Quote("loaded"), "tensors", Json.Array(tensors));
        }
        catch (Exception error)
        {
            var failure = Failure(error.GetType().FullName, error.Message);
            return Json.Object("id", id, "outcome", Json.Quote("rejected"), "error", failure);
        }
    }

    static string Answer(Json.Members request)
    {
        var op = (string)request.Get("op");
        if (op == "hello") return Hello();
        var id = Json.Quote(request.Get("id") as string ?? "");
        if (op == "load")
            return Load(id, (string)request.Get("path"), (string)request.Get("format"), (string)request.Get("reply"));
        return Json.Object("id", id, "error", Failure("UnknownOperation", "op " + op));
    }

    public static int Main()
    {
        var utf8 = new UTF8Encoding(false);
        var requests = new StreamReader(Console.OpenStandardInput(), utf8);
        var replies = new StreamWriter(Console.OpenStandardOutput(), utf8) { AutoFlush = true, NewLine = "\n" };
        Console.SetOut(Console.Error); // standard output is the protocol's alone
        for (string line; (line = requests.ReadLine()) != null;)
        {
            int end;
            var request = (Json.Members)Json.Read(line, out end);
            if ((string)request.Get("op") == "bye") return 0;
            replies.WriteLine(Answer(request));
        }
        return 0;
    }
}
