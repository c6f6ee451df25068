/** Real text to send: licences, documentation and source of what is installed beside the project. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../node_modules/', import.meta.url));
const TEXT = /(^(LICEN[CS]E|README|CHANGELOG)|\.(md|txt|ts|js|mjs|cjs)$)/i;

/** At least `count` lines, each ended by a newline, the same ones each time for the same installation. */
export function realLines(count: number): Buffer {
  const parts: Buffer[] = [];
  let lines = 0;
  for (const file of textFiles(ROOT)) {
    const bytes = readFileSync(file);
    if (bytes.length === 0 || bytes.includes(0)) continue;
    const whole = bytes.at(-1) === 0x0a ? bytes : Buffer.concat([bytes, Buffer.from('\n')]);
    parts.push(whole);
    lines += countLines(whole);
    if (lines >= count) return Buffer.concat(parts);
  }
  throw new Error(`only ${lines} lines of text under ${ROOT}`);
}

export function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) lines += 1;
  return lines;
}

function* textFiles(directory: string): Generator<string> {
  const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* textFiles(path);
    else if (entry.isFile() && TEXT.test(entry.name)) yield path;
  }
}
