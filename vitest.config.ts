import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', './test/plain-summary.ts'],
    testTimeout: 20_000,
    // End-to-end tests start real processes: one file at a time on a small machine.
    fileParallelism: false,
  },
});
