import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/globalSetup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Real processes, sockets and clocks on a shared machine: in CI a test may be given a second chance, and the report says so.
    retry: process.env.CI ? 1 : 0,
    coverage: { provider: 'v8', include: ['src/domain/**'], thresholds: { branches: 95 } },
  },
})
