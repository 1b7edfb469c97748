// A testee for endianproof: pytest --testee=./adapter. This file is the protocol, and what to copy; the package
// safetensors is the loader under test, in whose place yours comes.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sort"
	"unsafe"

	"endianproof.example/safetensors/safetensors"
)

type request struct{ Op, Id, Path, Format, Reply string }

type message map[string]any

func byteOrder() string {
	if one := uint16(1); *(*byte)(unsafe.Pointer(&one)) == 1 {
		return "little"
	}
	return "big"
}

func hello() message {
	dtypes := []string{}
	for _, element := range safetensors.ElementTypes {
		dtypes = append(dtypes, element.Name)
	}
	sort.Strings(dtypes)
	return message{"protocol": 1, "name": "safetensors.Load", "version": "1.0", "runtime": runtime.Version(),
		"machine": runtime.GOARCH, "byteorder": byteOrder(), "formats": []string{"safetensors"}, "dtypes": dtypes}
}

// canonical gives each element, or half of a complex one, least significant byte first.
func canonical(tensor safetensors.Tensor) []byte {
	data := []byte{}
	switch words := tensor.Words.(type) {
	case []uint8:
		data = words
	case []uint16:
		for _, word := range words {
			data = binary.LittleEndian.AppendUint16(data, word)
		}
	case []uint32:
		for _, word := range words {
			data = binary.LittleEndian.AppendUint32(data, word)
		}
	case []uint64:
		for _, word := range words {
			data = binary.LittleEndian.AppendUint64(data, word)
		}
	}
	return data
}

func load(asked request) message {
	if asked.Format != "safetensors" {
		return message{"id": asked.Id, "outcome": "unsupported", "reason": "format " + asked.Format}
	}
	found, err := safetensors.Load(asked.Path)
	if err != nil {
		return message{"id": asked.Id, "outcome": "rejected", "error": message{"type": fmt.Sprintf("%T", err), "message": err.Error()}}
	}
	tensors := []message{}
	for _, tensor := range found {
		one := message{"name": tensor.Name, "dtype": tensor.Type.Name, "shape": tensor.Shape}
		if data := canonical(tensor); asked.Reply == "data" {
			one["data"] = data // encoding/json makes base64 of []byte
		} else {
			digest := sha256.Sum256(data)
			one["sha256"] = hex.EncodeToString(digest[:])
		}
		tensors = append(tensors, one)
	}
	return message{"id": asked.Id, "outcome": "loaded", "tensors": tensors}
}

func answer(asked request) message {
	switch asked.Op {
	case "hello":
		return hello()
	case "load":
		return load(asked)
	}
	return message{"id": asked.Id, "error": message{"type": "UnknownOperation", "message": "op " + asked.Op}}
}

func main() {
	lines := bufio.NewReader(os.Stdin) // not a Scanner, whose lines end at 64 KiB
	replies := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		var asked request
		if err == nil {
			err = json.Unmarshal(line, &asked)
		}
		if err == nil && asked.Op == "bye" {
			return
		}
		if err == nil {
			err = replies.Encode(answer(asked))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
