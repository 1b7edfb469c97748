#include "safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>

namespace safetensors {
namespace {

using Integers = std::vector<std::uint64_t>;
using nlohmann::json;

constexpr std::uint64_t LONGEST_HEADER = 100'000'000;
constexpr std::size_t DEEPEST = 127; // levels of brackets

struct Entry {
    std::string name;
    std::optional<std::string> dtype;
    std::optional<Integers> shape, offsets;
};

[[noreturn]] void refuse(const std::string &what) { throw Error(what); }

// The header, event by event: json::parse keeps the last of two equal keys, and a header must not have them.
// Names of places: the header's own object, an entry, a field of it that is an array, the metadata, whatever else.
class Header : public nlohmann::json_sax<json> {
  public:
    std::vector<Entry> entries;

    bool start_object(std::size_t) override {
        if (places.empty()) return enter(Place::header);
        if (places.back() == Place::header) return enter(at_metadata() ? Place::metadata : begin_entry());
        return enter(inside("an object"));
    }
    bool start_array(std::size_t) override {
        if (!at_entry("shape") && !at_entry("data_offsets")) return enter(inside("an array"));
        list().emplace();
        return enter(Place::integers);
    }
    bool end_object() override { return leave(); }
    bool end_array() override { return leave(); }

    bool key(std::string &text) override {
        name = text;
        const bool is_known = name == "dtype" || name == "shape" || name == "data_offsets";
        const bool is_entry = places.back() == Place::entry;
        const bool counts = places.back() == Place::header || places.back() == Place::metadata || (is_entry && is_known);
        if (counts && !seen.back().insert(name).second) refuse("ST-JSON-02, 04, 09, 14, 20: " + name + " twice");
        return true;
    }
    bool string(std::string &text) override {
        if (at_entry("dtype")) entries.back().dtype = text;
        else if (places.back() != Place::metadata) inside("a string");
        return true;
    }
    bool number_unsigned(json::number_unsigned_t number) override {
        if (places.empty() || places.back() != Place::integers) inside("a number");
        else list()->push_back(number);
        return true;
    }
    bool number_integer(json::number_integer_t) override { return scalar("a negative number"); }
    bool number_float(json::number_float_t, const std::string &) override { return scalar("no integer below 2^64"); }
    bool boolean(bool) override { return scalar("a truth value"); }
    bool null() override { return scalar("null"); }
    bool binary(json::binary_t &) override { return scalar("binary data"); }
    bool parse_error(std::size_t, const std::string &, const json::exception &error) override { refuse(error.what()); }

  private:
    enum class Place { header, entry, integers, metadata, ignored };
    std::vector<Place> places;
    std::vector<std::set<std::string>> seen;
    std::string name; // of the value to come

    bool at_metadata() const { return name == "__metadata__"; }
    bool at_entry(const char *key) const { return !places.empty() && places.back() == Place::entry && name == key; }
    std::optional<Integers> &list() { return name == "shape" ? entries.back().shape : entries.back().offsets; }
    Place begin_entry() {
        entries.push_back({name, {}, {}, {}});
        return Place::entry;
    }
    // What a value is nobody's business of: under a key that the format does not name (ST-JSON-07), and nowhere else.
    Place inside(const char *what) const {
        const bool is_ignored = !places.empty() && places.back() == Place::ignored;
        const bool is_known = at_entry("dtype") || at_entry("shape") || at_entry("data_offsets");
        if (!is_ignored && (places.empty() || places.back() != Place::entry || is_known))
            refuse(std::string("ST-JSON-01, 03, 06, 08, 19: ") + what + " under " + name);
        return Place::ignored;
    }
    bool scalar(const char *what) {
        inside(what);
        return true;
    }
    bool enter(Place place) {
        places.push_back(place);
        seen.emplace_back();
        if (places.size() > DEEPEST) refuse("ST-JSON-17: too many levels of brackets");
        return true;
    }
    bool leave() {
        places.pop_back();
        seen.pop_back();
        return true;
    }
};

// By shifts: what a machine keeps in its memory does not come into it.
std::uint64_t little_endian(const std::uint8_t *bytes, unsigned count) {
    std::uint64_t word = 0;
    for (unsigned i = 0; i < count; ++i) word |= std::uint64_t(bytes[i]) << (8 * i);
    return word;
}

template <class Word> void to_memory(std::vector<std::uint8_t> &bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(Word)) {
        const Word word = Word(little_endian(&bytes[at], sizeof(Word)));
        std::memcpy(&bytes[at], &word, sizeof(Word));
    }
}

void make_native(std::vector<std::uint8_t> &bytes, unsigned unit) {
    if (unit == 2) to_memory<std::uint16_t>(bytes);
    if (unit == 4) to_memory<std::uint32_t>(bytes);
    if (unit == 8) to_memory<std::uint64_t>(bytes);
}

class File {
  public:
    explicit File(const std::string &path) : stream(path, std::ios::binary | std::ios::ate) {
        if (!stream) throw std::runtime_error("cannot be opened: " + path);
        size = std::uint64_t(stream.tellg());
    }
    std::vector<std::uint8_t> read(std::uint64_t at, std::uint64_t count) {
        std::vector<std::uint8_t> bytes(count);
        stream.seekg(std::streamoff(at));
        if (!stream.read(reinterpret_cast<char *>(bytes.data()), std::streamsize(count)))
            throw std::runtime_error("cannot be read");
        return bytes;
    }
    std::uint64_t size;

  private:
    std::ifstream stream;
};

std::pair<std::vector<Entry>, std::uint64_t> read_header(File &file) {
    if (file.size < 8) refuse("ST-HDR-02: the file is shorter than 8 bytes");
    const std::uint64_t length = little_endian(file.read(0, 8).data(), 8);
    if (length > LONGEST_HEADER) refuse("ST-HDR-03: the header is too long");
    if (length > file.size - 8) refuse("ST-HDR-04: the header reaches past the end of the file");
    const auto text = file.read(8, length);
    // nlohmann::json skips a byte order mark, and takes a NUL for the end of the text.
    if (text.empty() || text[0] != '{') refuse("ST-HDR-05, 06: the header does not begin with {");
    if (std::find(text.begin(), text.end(), 0) != text.end()) refuse("ST-HDR-09: a NUL in the header");
    const auto last = std::find_if(text.rbegin(), text.rend(), [](std::uint8_t byte) { return byte != ' '; });
    if (*last != '}') refuse("ST-HDR-08, 09: something else than spaces behind the header");
    Header header;
    json::sax_parse(text, &header);
    return {std::move(header.entries), 8 + length};
}

// Elements times bits, refused where 64 bits do not hold it.
std::uint64_t bits_of(const Tensor &tensor) {
    const auto &shape = tensor.shape;
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
    std::uint64_t product = tensor.type->bits;
    for (const std::uint64_t size : shape) {
        if (size > UINT64_MAX / product) refuse("ST-OFF-04: the shape of " + tensor.name + " is too large");
        product *= size;
    }
    return product;
}

struct Described {
    std::uint64_t begin, end;
    Tensor tensor;
};

Described describe(const Entry &entry) {
    if (!entry.dtype || !entry.shape || !entry.offsets || entry.offsets->size() != 2)
        refuse("ST-JSON-09: the entry of " + entry.name + " needs a dtype, a shape and two data_offsets");
    const auto &types = element_types();
    const auto type = std::find_if(types.begin(), types.end(), [&](auto &each) { return each.in_file == *entry.dtype; });
    if (type == types.end()) refuse("ST-DT-01: the dtype " + *entry.dtype);
    Described found{(*entry.offsets)[0], (*entry.offsets)[1], {entry.name, &*type, *entry.shape, {}}};
    const std::uint64_t bits = bits_of(found.tensor);
    if (found.begin > found.end) refuse("ST-OFF-08: " + entry.name + " ends before it begins");
    if (bits % 8) refuse("ST-OFF-05: " + entry.name + " fills no whole bytes");
    if (found.end - found.begin != bits / 8) refuse("ST-OFF-03: the length of " + entry.name + " is not its shape's");
    return found;
}

void check_coverage(const std::vector<Described> &tensors, std::uint64_t size) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const auto &each : tensors) ranges.emplace_back(each.begin, each.end);
    std::sort(ranges.begin(), ranges.end());
    std::uint64_t covered = 0;
    for (const auto &[begin, end] : ranges) {
        if (begin != covered) refuse("ST-OFF-01: a hole or an overlap at " + std::to_string(begin));
        covered = end;
    }
    if (covered != size) refuse("ST-OFF-02: the tensors end at " + std::to_string(covered) + ", the file at " + std::to_string(size));
}

} // namespace

const std::vector<ElementType> &element_types() {
    static const std::vector<ElementType> types = {
        {"BOOL", "bool", 8, 1}, {"U8", "uint8", 8, 1}, {"I8", "int8", 8, 1},
        {"U16", "uint16", 16, 2}, {"I16", "int16", 16, 2}, {"F16", "float16", 16, 2}, {"BF16", "bfloat16", 16, 2},
        {"U32", "uint32", 32, 4}, {"I32", "int32", 32, 4}, {"F32", "float32", 32, 4},
        {"U64", "uint64", 64, 8}, {"I64", "int64", 64, 8}, {"F64", "float64", 64, 8}, {"C64", "complex64", 64, 4},
        {"F8_E4M3", "float8_e4m3fn", 8, 1}, {"F8_E5M2", "float8_e5m2", 8, 1}, {"F8_E8M0", "float8_e8m0fnu", 8, 1},
        {"F8_E4M3FNUZ", "float8_e4m3fnuz", 8, 1}, {"F8_E5M2FNUZ", "float8_e5m2fnuz", 8, 1},
        {"F6_E2M3", "float6_e2m3fn", 6, 1}, {"F6_E3M2", "float6_e3m2fn", 6, 1}, {"F4", "float4_e2m1fn", 4, 1},
    };
    return types;
}

std::vector<Tensor> load(const std::string &path) {
    File file(path);
    const auto [entries, start] = read_header(file);
    std::vector<Described> described;
    for (const auto &entry : entries) described.push_back(describe(entry));
    check_coverage(described, file.size - start);
    std::vector<Tensor> tensors;
    for (auto &each : described) {
        each.tensor.memory = file.read(start + each.begin, each.end - each.begin);
        make_native(each.tensor.memory, each.tensor.type->unit);
        tensors.push_back(std::move(each.tensor));
    }
    return tensors;
}

} // namespace safetensors
