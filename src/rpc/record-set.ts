/** Walks encoded RecordSets without decoding them: what a broker needs to know of a batch. */

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;
const MAX_VARINT_BYTES = 10;
/** A longer one says nothing that a shorter could not: some decoders take it, and others for a negative number. */
const MAX_LENGTH_BYTES = 5;
const MALFORMED = -1;
const TAG_RECORD = 0x0a;
const TAG_KEY = 0x0a;
const TAG_VALUE = 0x12;
const TAG_TIMESTAMP = 0x18;
const TAG_HEADER = 0x22;

/**
 * Number of records in an encoded RecordSet (proto/lograft/v1/record.proto), or -1 when it is not well-formed: a reader could not decode
 * it. Looks at every tag and length, not at keys and values.
 */
export function countRecords(records: Uint8Array): number {
  let count = 0;
  let at = 0;
  const end = records.length;
  while (at < end) {
    // All but every set: field 1, length-delimited.
    if (records[at] !== TAG_RECORD) {
      const field = fieldAt(records, at, end);
      if (field === MALFORMED || field >>> 3 === 1) return MALFORMED;
      at = skipField(records, at, end);
      if (at === MALFORMED) return MALFORMED;
      continue;
    }
    const start = skipLength(records, at + 1, end);
    if (start === MALFORMED) return MALFORMED;
    const stop = start + lengthAt(records, at + 1, start);
    if (stop > end || !isRecord(records, start, stop)) return MALFORMED;
    at = stop;
    count += 1;
  }
  return count;
}

/** The greatest timestamp in a well-formed RecordSet, milliseconds since 1970; 0 when there is none after 1970. */
export function greatestTimestampMs(records: Uint8Array): number {
  const usual = greatestOfUsual(records);
  if (usual !== undefined) return usual;
  let greatest = 0;
  walkTimestamps(records, (timestampMs) => {
    if (timestampMs > greatest) greatest = timestampMs;
    return true;
  });
  return greatest;
}

/**
 * The same where all tags are those of record.proto, else undefined. Every replica asks this of every record: one pass, which looks at each byte of a tag or
 * length once, takes a quarter of the time.
 */
function greatestOfUsual(records: Uint8Array): number | undefined {
  let greatest = 0;
  let at = 0;
  let stop = 0;
  let timestampMs = 0;
  while (at < records.length) {
    const tag = records[at++];
    let byte = records[at++] as number;
    let value = byte & 0x7f;
    for (let unit = 128; byte >= 0x80; unit *= 128) {
      byte = records[at++] as number;
      value += (byte & 0x7f) * unit;
    }
    if (at > stop) {
      if (tag !== TAG_RECORD) return undefined;
      timestampMs = 0;
      stop = at + value;
    } else if (tag === TAG_TIMESTAMP) timestampMs = value;
    else if (tag === TAG_KEY || tag === TAG_VALUE || tag === TAG_HEADER) at += value;
    else return undefined;
    // Ten bytes hold a negative number, or one beyond all whole numbers here.
    if (at > stop || timestampMs > Number.MAX_SAFE_INTEGER) return undefined;
    if (at === stop && timestampMs > greatest) greatest = timestampMs;
  }
  return at === stop ? greatest : undefined;
}

/** How many records of a well-formed RecordSet come before the first with this timestamp or a later one; 0 when there is none such. */
export function recordsBefore(timeMs: number, records: Uint8Array): number {
  let before = 0;
  let found = false;
  walkTimestamps(records, (timestampMs) => {
    found = timestampMs >= timeMs;
    if (!found) before += 1;
    return !found;
  });
  return found ? before : 0;
}

/** Calls `visit` with the timestamp of each record, in order, while it says true. */
function walkTimestamps(records: Uint8Array, visit: (timestampMs: number) => boolean): void {
  const end = records.length;
  for (let at = 0; at < end && at !== MALFORMED; ) {
    if (records[at] !== TAG_RECORD) {
      at = skipField(records, at, end);
      continue;
    }
    const start = skipLength(records, at + 1, end);
    if (start === MALFORMED) return;
    at = start + lengthAt(records, at + 1, start);
    if (!visit(timestampOf(records, start, Math.min(at, end)))) return;
  }
}

/** The record's own, made a whole number from 0 up: one before 1970 counts as 0. */
function timestampOf(bytes: Uint8Array, from: number, end: number): number {
  let timestampMs = 0;
  for (let at = from; at < end && at !== MALFORMED; at = skipField(bytes, at, end)) {
    if (bytes[at] !== TAG_TIMESTAMP) continue;
    const stop = skipVarint(bytes, at + 1, end);
    // Ten bytes hold a negative int64 as its two's complement.
    timestampMs = stop - at > MAX_VARINT_BYTES ? 0 : Math.min(lengthAt(bytes, at + 1, stop), Number.MAX_SAFE_INTEGER);
  }
  return timestampMs;
}

/** Record: 1 key, 2 value, 4 headers are length-delimited, 3 timestamp is a varint; other fields are from a later version. */
function isRecord(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from;
  while (at < end) {
    const field = fieldAt(bytes, at, end);
    if (field === MALFORMED) return false;
    const number = field >>> 3;
    const wire = field & 7;
    if (number === 3 ? wire !== WIRE_VARINT : number <= 4 && wire !== WIRE_BYTES) return false;
    const next = skipField(bytes, at, end);
    if (next === MALFORMED) return false;
    if (number === 4 && !isHeader(bytes, skipLength(bytes, skipVarint(bytes, at, end), end), next)) return false;
    at = next;
  }
  return true;
}

/** Header: 1 name, 2 value, both length-delimited. */
function isHeader(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from;
  while (at < end) {
    const field = fieldAt(bytes, at, end);
    if (field === MALFORMED || (field >>> 3 <= 2 && (field & 7) !== WIRE_BYTES)) return false;
    at = skipField(bytes, at, end);
    if (at === MALFORMED) return false;
  }
  return true;
}

/** The tag at `at`, or MALFORMED. */
function fieldAt(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at] ?? 0;
  if (first >= 0x08 && first < 0x80) return first;
  const next = skipVarint(bytes, at, end);
  // Field numbers have up to 29 bits: a tag fits in five bytes. Number 0 does not exist.
  if (next === MALFORMED || next - at > 5) return MALFORMED;
  const tag = lengthAt(bytes, at, next);
  return tag < 8 || tag > 0x7fff_ffff ? MALFORMED : tag;
}

/** Position after the field at `at`, or MALFORMED. */
function skipField(bytes: Uint8Array, at: number, end: number): number {
  const wire = (bytes[at] ?? 0) & 7;
  const value = skipVarint(bytes, at, end);
  if (value === MALFORMED) return MALFORMED;
  if (wire === WIRE_VARINT) return skipVarint(bytes, value, end);
  let next = MALFORMED;
  if (wire === WIRE_BYTES) {
    const start = skipLength(bytes, value, end);
    if (start === MALFORMED) return MALFORMED;
    next = start + lengthAt(bytes, value, start);
  } else if (wire === WIRE_FIXED64) next = value + 8;
  else if (wire === WIRE_FIXED32) next = value + 4;
  return next > end ? MALFORMED : next;
}

function skipLength(bytes: Uint8Array, from: number, end: number): number {
  return skipVarint(bytes, from, end, MAX_LENGTH_BYTES);
}

function skipVarint(bytes: Uint8Array, from: number, end: number, maxBytes = MAX_VARINT_BYTES): number {
  const last = Math.min(end, from + maxBytes);
  for (let at = from; at < last; at += 1) {
    if ((bytes[at] as number) < 0x80) return at + 1;
  }
  return MALFORMED;
}

/** The varint in `[from, to)` as a number: exact while it matters, larger than any buffer when it is not a length. */
function lengthAt(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  let unit = 1;
  for (let at = from; at < to; at += 1, unit *= 128) value += ((bytes[at] as number) & 0x7f) * unit;
  return value;
}
