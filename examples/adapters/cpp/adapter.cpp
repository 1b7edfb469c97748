// A testee for endianproof: `pytest --testee=./adapter`. This file is the protocol, and what to copy; safetensors.cpp
// is the loader under test, in whose place yours comes.

#include "base64_sha256.hpp"
#include "safetensors.hpp"

#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sys/utsname.h>

using nlohmann::json;

static std::string machine() {
    utsname names{};
    uname(&names);
    return names.machine;
}

static json hello() {
    const std::uint16_t one = 1;
    std::uint8_t first;
    std::memcpy(&first, &one, 1);
    json dtypes = json::array();
    for (const auto &type : safetensors::element_types()) dtypes.push_back(type.name);
    return {{"protocol", 1}, {"name", "safetensors.cpp"}, {"version", "1.0"}, {"runtime", "C++ " + std::to_string(__cplusplus)},
            {"machine", machine()}, {"byteorder", first ? "little" : "big"}, {"formats", {"safetensors"}}, {"dtypes", dtypes}};
}

// Each element, or half of a complex one, least significant byte first: by shifts, and so on any machine.
template <class Word> static void put(std::vector<std::uint8_t> &bytes, const std::vector<std::uint8_t> &memory) {
    for (std::size_t at = 0; at < memory.size(); at += sizeof(Word)) {
        Word word;
        std::memcpy(&word, &memory[at], sizeof(Word));
        for (unsigned i = 0; i < sizeof(Word); ++i) bytes[at + i] = std::uint8_t(word >> (8 * i));
    }
}

static std::vector<std::uint8_t> canonical(const safetensors::Tensor &tensor) {
    std::vector<std::uint8_t> bytes(tensor.memory.size());
    switch (tensor.type->unit) {
    case 1: put<std::uint8_t>(bytes, tensor.memory); break;
    case 2: put<std::uint16_t>(bytes, tensor.memory); break;
    case 4: put<std::uint32_t>(bytes, tensor.memory); break;
    case 8: put<std::uint64_t>(bytes, tensor.memory); break;
    }
    return bytes;
}

static json loaded(const std::string &path, const std::string &reply) {
    json tensors = json::array();
    for (const auto &tensor : safetensors::load(path)) {
        const auto bytes = canonical(tensor);
        tensors.push_back({{"name", tensor.name}, {"dtype", tensor.type->name}, {"shape", tensor.shape},
                           {reply, reply == "data" ? base64(bytes) : sha256(bytes)}});
    }
    return {{"outcome", "loaded"}, {"tensors", tensors}};
}

static json answer(const json &request) {
    const std::string op = request.at("op");
    if (op != "load") return {{"error", {{"type", "UnknownOperation"}, {"message", "op " + op}}}};
    if (request.at("format") != "safetensors")
        return {{"outcome", "unsupported"}, {"reason", "format " + request.at("format").get<std::string>()}};
    try {
        return loaded(request.at("path"), request.at("reply"));
    } catch (const std::exception &error) {
        return {{"outcome", "rejected"}, {"error", {{"type", "safetensors::Error"}, {"message", error.what()}}}};
    }
}

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const json request = json::parse(line);
        if (request.at("op") == "bye") return 0;
        json reply = request.at("op") == "hello" ? hello() : answer(request);
        if (request.contains("id")) reply["id"] = request["id"];
        // Text that is no UTF-8 may come from anywhere into a message: replaced, because dump() throws otherwise.
        std::cout << reply.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
    }
}
