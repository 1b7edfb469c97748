// The subset of JSON that a safetensors header may use, read strictly, and nothing lost on the way.
//
// JSON.parse keeps the last of two equal keys, rounds integers beyond 2^53, makes a number of -0 and 1e2, and keeps
// half a surrogate pair. A header must say none of these, and a reader that cannot see them cannot refuse them.

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS = ["true", "false", "null"];
const DEEPEST = 127; // levels of brackets: a parser that calls itself must stop somewhere

export class Numeral {
  constructor(text) {
    this.text = text; // as it stands in the file: 18446744073709551615, -0, 1e2
  }
}

// Objects come as Entries: an array of [key, value], in order, duplicates included.
export class Entries extends Array {}

class Parser {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.depth = 0;
  }

  fail(expected) {
    const found = this.text.slice(this.at, this.at + 10);
    throw new SyntaxError(`no JSON at character ${this.at}: found ${JSON.stringify(found)}, expected ${expected}`);
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  take(mark) {
    this.match(SPACE);
    const there = this.text.startsWith(mark, this.at);
    if (there) this.at += mark.length;
    return there;
  }

  expect(mark) {
    if (!this.take(mark)) this.fail(mark);
  }

  value() {
    if (this.take("{")) return this.items("}", new Entries(), () => this.pair());
    if (this.take("[")) return this.items("]", [], () => this.value());
    if (this.text[this.at] === '"') return this.string();
    const numeral = this.match(NUMBER);
    if (numeral) return new Numeral(numeral);
    const word = WORDS.find((each) => this.take(each)) ?? this.fail("a value");
    return JSON.parse(word);
  }

  pair() {
    this.match(SPACE);
    const key = this.string();
    this.expect(":");
    return [key, this.value()];
  }

  string() {
    const text = JSON.parse(this.match(STRING) ?? this.fail("a string"));
    if (/\p{Surrogate}/u.test(text)) this.fail("whole characters, not half of a surrogate pair");
    return text;
  }

  items(end, found, read) {
    if (++this.depth > DEEPEST) this.fail(`at most ${DEEPEST} levels of brackets`);
    if (!this.take(end)) {
      do found.push(read());
      while (this.take(","));
      this.expect(end);
    }
    this.depth--;
    return found;
  }
}

// The value at the start of a text, and what follows it.
export function parse(text) {
  const parser = new Parser(text);
  return [parser.value(), text.slice(parser.at)];
}
