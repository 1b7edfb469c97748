// Package safetensors reads safetensors files on machines of any byte order. The rules that its errors name are those
// of endianproof's docs/spec/safetensors.md.
package safetensors

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
	"os"
	"sort"
	"strconv"
	"strings"
)

const (
	longestHeader = 100_000_000
	metadataKey   = "__metadata__"
)

// ElementType says how elements lie in a file. Unit is the number of bytes that keep together: 2 for BF16, 4 for C64
// (a pair of them), 1 for what is packed narrower than a byte.
type ElementType struct {
	Name string
	Bits uint64
	Unit int
}

// ElementTypes are those of the format, by their names in the file.
var ElementTypes = map[string]ElementType{
	"BOOL": {"bool", 8, 1}, "U8": {"uint8", 8, 1}, "I8": {"int8", 8, 1},
	"U16": {"uint16", 16, 2}, "I16": {"int16", 16, 2}, "F16": {"float16", 16, 2}, "BF16": {"bfloat16", 16, 2},
	"U32": {"uint32", 32, 4}, "I32": {"int32", 32, 4}, "F32": {"float32", 32, 4},
	"U64": {"uint64", 64, 8}, "I64": {"int64", 64, 8}, "F64": {"float64", 64, 8}, "C64": {"complex64", 64, 4},
	"F8_E4M3": {"float8_e4m3fn", 8, 1}, "F8_E5M2": {"float8_e5m2", 8, 1}, "F8_E8M0": {"float8_e8m0fnu", 8, 1},
	"F8_E4M3FNUZ": {"float8_e4m3fnuz", 8, 1}, "F8_E5M2FNUZ": {"float8_e5m2fnuz", 8, 1},
	"F6_E2M3": {"float6_e2m3fn", 6, 1}, "F6_E3M2": {"float6_e3m2fn", 6, 1}, "F4": {"float4_e2m1fn", 4, 1},
}

// Tensor has its elements' bits in the machine's own order: []uint8, []uint16, []uint32 or []uint64, by the type's
// unit. math.Float32frombits and the like make numbers of them.
type Tensor struct {
	Name  string
	Type  ElementType
	Shape []uint64
	Words any

	begin, end uint64
}

// Load returns the tensors of a file, or an error where it breaks a rule.
func Load(path string) ([]Tensor, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	header, start, size, err := readHeader(file)
	if err != nil {
		return nil, err
	}
	tensors, err := describeAll(header)
	if err != nil {
		return nil, err
	}
	if err := checkCoverage(tensors, size-start); err != nil {
		return nil, err
	}
	for i := range tensors {
		tensor := &tensors[i]
		data := make([]byte, tensor.end-tensor.begin)
		if _, err := file.ReadAt(data, int64(start+tensor.begin)); err != nil && err != io.EOF {
			return nil, err
		}
		tensor.Words = words(data, tensor.Type.Unit)
	}
	return tensors, nil
}

// words reads what the file has, least significant byte first, into what this machine has.
func words(data []byte, unit int) any {
	switch order := binary.LittleEndian; unit {
	case 2:
		return each(data, unit, order.Uint16)
	case 4:
		return each(data, unit, order.Uint32)
	case 8:
		return each(data, unit, order.Uint64)
	}
	return data
}

func each[Word any](data []byte, unit int, read func([]byte) Word) []Word {
	found := make([]Word, len(data)/unit)
	for i := range found {
		found[i] = read(data[i*unit:])
	}
	return found
}

func readHeader(file *os.File) (header object, start, size uint64, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, 0, 0, err
	}
	size = uint64(info.Size())
	if size < 8 {
		return nil, 0, 0, fmt.Errorf("ST-HDR-02: a file of %d bytes", size)
	}
	var length uint64
	if err := binary.Read(file, binary.LittleEndian, &length); err != nil {
		return nil, 0, 0, err
	}
	if length > longestHeader {
		return nil, 0, 0, fmt.Errorf("ST-HDR-03: a header of %d bytes", length)
	}
	if length > size-8 {
		return nil, 0, 0, fmt.Errorf("ST-HDR-04: a header of %d bytes in a file of %d", length, size)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(file, text); err != nil {
		return nil, 0, 0, err
	}
	if length == 0 || text[0] != '{' {
		return nil, 0, 0, fmt.Errorf("ST-HDR-06: the header does not begin with {")
	}
	header, rest, err := parse(text)
	if err == nil && strings.Trim(string(rest), " ") != "" {
		err = fmt.Errorf("ST-HDR-08, ST-HDR-09: something else than spaces behind the header")
	}
	return header, 8 + length, size, err
}

func describeAll(header object) ([]Tensor, error) {
	if err := checkUnique(header, "the header"); err != nil {
		return nil, err
	}
	tensors := []Tensor{}
	for _, one := range header {
		if one.key == metadataKey {
			if err := checkMetadata(one.value); err != nil {
				return nil, err
			}
			continue
		}
		tensor, err := describe(one.key, one.value)
		if err != nil {
			return nil, err
		}
		tensors = append(tensors, tensor)
	}
	return tensors, nil
}

func checkUnique(members object, where string) error {
	seen := map[string]bool{}
	for _, one := range members {
		if seen[one.key] {
			return fmt.Errorf("ST-JSON-02, 04, 14, 20: %q twice in %s", one.key, where)
		}
		seen[one.key] = true
	}
	return nil
}

func checkMetadata(value any) error {
	metadata, isObject := value.(object)
	if !isObject {
		return fmt.Errorf("ST-JSON-03, 05: %s is no object", metadataKey)
	}
	for _, one := range metadata {
		if _, isString := one.value.(string); !isString {
			return fmt.Errorf("ST-JSON-03: %s has no string under %q", metadataKey, one.key)
		}
	}
	return checkUnique(metadata, metadataKey)
}

func describe(name string, value any) (tensor Tensor, err error) {
	entry, isObject := value.(object)
	if !isObject {
		return tensor, fmt.Errorf("ST-JSON-08, 19: the entry of %q is no object", name)
	}
	fields := map[string]any{}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		count := 0
		for _, one := range entry { // other keys are nobody's business: ST-JSON-07
			if one.key == key {
				fields[key] = one.value
				count++
			}
		}
		if count != 1 {
			return tensor, fmt.Errorf("ST-JSON-09: %s %d times in the entry of %q", key, count, name)
		}
	}
	dtype, _ := fields["dtype"].(string)
	element, isKnown := ElementTypes[dtype]
	if !isKnown {
		return tensor, fmt.Errorf("ST-DT-01, ST-JSON-19: the dtype of %q is %v", name, fields["dtype"])
	}
	shape, err := integers(fields["shape"])
	if err != nil {
		return tensor, err
	}
	offsets, err := integers(fields["data_offsets"])
	if err != nil {
		return tensor, err
	}
	if len(offsets) != 2 {
		return tensor, fmt.Errorf("ST-JSON-09: %d offsets in the entry of %q", len(offsets), name)
	}
	tensor = Tensor{Name: name, Type: element, Shape: shape, begin: offsets[0], end: offsets[1]}
	return tensor, checkLength(tensor)
}

func integers(value any) ([]uint64, error) {
	items, isArray := value.([]any)
	if !isArray {
		return nil, fmt.Errorf("ST-JSON-06: %v is no array", value)
	}
	found := make([]uint64, len(items))
	for i, item := range items {
		number, _ := item.(json.Number)
		integer, err := strconv.ParseUint(string(number), 10, 64) // neither -0 nor 1e2 nor 2^64
		if err != nil {
			return nil, fmt.Errorf("ST-JSON-06, 16: %v is no integer from 0 to 2^64-1", item)
		}
		found[i] = integer
	}
	return found, nil
}

func checkLength(tensor Tensor) error {
	total, isEmpty, isTooLarge := tensor.Type.Bits, false, false
	for _, size := range tensor.Shape {
		high, low := bits.Mul64(total, size)
		isEmpty, isTooLarge, total = isEmpty || size == 0, isTooLarge || high != 0, low
	}
	switch {
	case isEmpty:
		total = 0 // ST-OFF-07, ST-OFF-09: whatever the other sizes are
	case isTooLarge:
		return fmt.Errorf("ST-OFF-04: the shape of %q is too large", tensor.Name)
	}
	switch {
	case tensor.begin > tensor.end:
		return fmt.Errorf("ST-OFF-08: %q ends before it begins", tensor.Name)
	case total%8 != 0:
		return fmt.Errorf("ST-OFF-05: %q fills no whole bytes", tensor.Name)
	case tensor.end-tensor.begin != total/8:
		return fmt.Errorf("ST-OFF-03: %d bytes for %q, not %d", tensor.end-tensor.begin, tensor.Name, total/8)
	}
	return nil
}

func checkCoverage(tensors []Tensor, size uint64) error {
	sorted := append([]Tensor{}, tensors...)
	sort.Slice(sorted, func(i, j int) bool {
		one, other := sorted[i], sorted[j]
		return one.begin < other.begin || one.begin == other.begin && one.end < other.end
	})
	covered := uint64(0)
	for _, tensor := range sorted {
		if tensor.begin != covered {
			return fmt.Errorf("ST-OFF-01: %q begins at %d, not %d", tensor.Name, tensor.begin, covered)
		}
		covered = tensor.end
	}
	if covered != size {
		return fmt.Errorf("ST-OFF-02: %d bytes behind the header, not %d", size, covered)
	}
	return nil
}
