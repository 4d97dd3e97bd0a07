import { defineConfig } from 'vitest/config'

// Computation: neither processes nor clocks, so that files may share a worker.
const computation = ['test/{domain,analysis,flows}/**/*.test.ts', 'test/config.test.ts']
// Many processes or much work of their own: they would slow down what runs beside them, and be slowed down by it.
const alone = ['test/{bench,torture}/**/*.test.ts', 'test/e2e/real*.test.ts']
const all = ['test/**/*.test.ts']

export default defineConfig({
  test: {
    globalSetup: ['test/support/globalSetup.ts'],
    // These end what hangs; how fast something has to be, its test says.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    // Real processes, sockets and clocks on a shared machine: in CI a test may be given a second chance, and the report says so.
    retry: process.env.CI ? 1 : 0,
    coverage: { provider: 'v8', include: ['src/domain/**'], thresholds: { branches: 95 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'computation',
          include: computation,
          isolate: false,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'parts',
          include: all,
          exclude: [...computation, ...alone],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: 'whole', include: alone, maxWorkers: 1, sequence: { groupOrder: 2 } },
      },
    ],
  },
})
