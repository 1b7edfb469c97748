package safetensors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"
)

// member is one key of a JSON object, with its value: nil, bool, string, json.Number, []any, or object.
type member struct {
	key   string
	value any
}

// object is a JSON object with its repeated keys, in order: a map would keep the last of each.
type object []member

const deepest = 127 // levels of brackets: a parser that calls itself must stop somewhere

// encoding/json puts U+FFFD in the place of half a surrogate pair, and of bytes that are no UTF-8.
var escape = regexp.MustCompile(`\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)`)

func wholeCharacters(text []byte) bool {
	for _, found := range escape.FindAll(text, -1) {
		if len(found) == 6 { // an escaped surrogate without its other half
			return false
		}
	}
	return utf8.Valid(text)
}

// parse reads the one JSON object at the start of a text, and returns it with what follows it.
func parse(text []byte) (object, []byte, error) {
	if !wholeCharacters(text) {
		return nil, nil, fmt.Errorf("ST-HDR-05, ST-JSON-13: the header is not made of whole characters")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // float64 rounds integers beyond 2^53
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil { // the whole grammar; Token alone lets some of it pass
		return nil, nil, err
	}
	rest := text[decoder.InputOffset():]
	decoder = json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	value, err := parseValue(decoder, 0)
	if err != nil {
		return nil, nil, err
	}
	found, isObject := value.(object)
	if !isObject {
		return nil, nil, fmt.Errorf("ST-JSON-01: the header is no JSON object")
	}
	return found, rest, nil
}

func parseValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil || depth == deepest && (token == json.Delim('{') || token == json.Delim('[')) {
		return nil, fmt.Errorf("ST-JSON-17: more than %d levels of brackets (%v)", deepest, err)
	}
	switch token {
	case json.Delim('{'):
		return parseObject(decoder, depth+1)
	case json.Delim('['):
		return parseArray(decoder, depth+1)
	}
	return token, nil
}

func parseObject(decoder *json.Decoder, depth int) (any, error) {
	found := object{}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		value, err := parseValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		found = append(found, member{key.(string), value})
	}
	_, err := decoder.Token()
	return found, err
}

func parseArray(decoder *json.Decoder, depth int) (any, error) {
	found := []any{}
	for decoder.More() {
		value, err := parseValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		found = append(found, value)
	}
	_, err := decoder.Token()
	return found, err
}
