// Reads safetensors files. The rules that are named here are those of endianproof's docs/spec/safetensors.md.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace safetensors {

// A file that breaks a rule.
struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// `unit` is the number of bytes that keep together: 2 for BF16, 4 for C64, 1 for what is packed narrower than a byte.
struct ElementType {
    const char *in_file;
    const char *name;
    unsigned bits;
    unsigned unit;
};

const std::vector<ElementType> &element_types();

struct Tensor {
    std::string name;
    const ElementType *type = nullptr;
    std::vector<std::uint64_t> shape;
    std::vector<std::uint8_t> memory; // the elements as this machine holds them: read a float* off it and compute
};

// Throws Error for a file that breaks a rule, std::runtime_error for one that cannot be read.
std::vector<Tensor> load(const std::string &path);

} // namespace safetensors
