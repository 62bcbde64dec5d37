import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  // The package's own name resolves to its sources, as it does for `node -C effect-segformer-source` and for tsc.
  resolve: { conditions: ["effect-segformer-source"] },
  ssr: { resolve: { conditions: ["effect-segformer-source"] } },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/bench/**"],
    testTimeout: 20_000,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      // Runs in a browser: test/page drives it in Chromium, which this count does not see.
      exclude: ["src/server/page/client/**"],
      reporter: ["text-summary", "json-summary"],
      reportsDirectory: "coverage",
      thresholds: { lines: 90 }
    }
  }
})
