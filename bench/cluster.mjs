/** A cluster for measuring: real processes in a directory of their own, ended by `stop`. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const LOGRAFT = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

export function startCluster({ port, replicas = 3 }) {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'lograft-bench-'));
  const lograft = (...args) => execFileSync(process.execPath, [LOGRAFT, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  lograft('dev', '--detach', '--replicas', String(replicas), '--data', directory, '--port', String(port));
  const { router, nodes } = JSON.parse(readFileSync(path.join(directory, 'cluster.json'), 'utf8'));
  const restarted = [];
  return {
    router,
    nodes,
    /** Starts a node that has ended. */
    restart(node) {
      const [program, ...args] = node.command;
      const child = spawn(program, args, { stdio: 'ignore' });
      restarted.push(child);
      node.pid = child.pid;
    },
    async stop() {
      lograft('dev', '--stop', '--data', directory);
      await Promise.all(
        restarted.map((child) => child.exitCode ?? child.signalCode ?? new Promise((done) => child.once('exit', done))),
      );
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What figures must name to mean anything. */
export function describeMachine() {
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8', cwd: path.dirname(LOGRAFT) }).trim();
  return `commit ${commit}, Node ${process.version}, ${os.cpus().length} x ${os.cpus()[0]?.model.trim()}, ${Math.round(os.totalmem() / 2 ** 30)} GiB`;
}

export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}
