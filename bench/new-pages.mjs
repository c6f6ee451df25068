/**
 * What writing new files costs on this machine, as memory that has not been used lately gets used: 64 MiB files, synced every 4 MiB, none
 * overwritten. On a virtual machine whose host takes unused memory back, the cost can jump when the memory at hand is used up; a log that
 * grows on three replicas then reaches a third of that speed. Usage: node bench/new-pages.mjs
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const MIB = 1024 * 1024;
const FILES = 40;
const FILE_MIB = 64;
const CHUNK = Buffer.alloc(4 * MIB, 1);
const directory = mkdtempSync(path.join(os.tmpdir(), 'lograft-pages-'));

console.log('written MiB   MiB/s   system ms/MiB');
for (let file = 0; file < FILES; file += 1) {
  const before = process.cpuUsage();
  const start = performance.now();
  const descriptor = openSync(path.join(directory, String(file)), 'w');
  for (let at = 0; at < FILE_MIB * MIB; at += CHUNK.length) {
    writeSync(descriptor, CHUNK, 0, CHUNK.length, at);
    fdatasyncSync(descriptor);
  }
  closeSync(descriptor);
  const rate = (FILE_MIB * 1_000) / (performance.now() - start);
  const system = process.cpuUsage(before).system / 1_000 / FILE_MIB;
  if (file % 4 === 3)
    console.log(`${String((file + 1) * FILE_MIB).padStart(11)} ${rate.toFixed(0).padStart(7)} ${system.toFixed(2).padStart(15)}`);
}
rmSync(directory, { recursive: true });
