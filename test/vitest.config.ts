import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { hangs } from "./support/Eventually.ts"

const slow = "test/**/*.slow.test.ts"
const setupFiles = ["test/support/Environment.ts"]

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  // The package's own name resolves to its sources, as it does for `node -C effect-segformer-source` and for tsc.
  resolve: { conditions: ["effect-segformer-source"] },
  ssr: { resolve: { conditions: ["effect-segformer-source"] } },
  test: {
    globalSetup: ["test/support/Bundle.ts", "test/support/Needs.ts"],
    // Files of a worker share one process and what it has loaded: a test leaves that process as it was.
    isolate: false,
    // One more than there are cores: tests wait for sockets, processes and disks as well.
    maxWorkers: availableParallelism() + 1,
    testTimeout: hangs,
    hookTimeout: hangs,
    projects: [
      {
        extends: true,
        test: {
          name: "test",
          setupFiles,
          include: ["test/**/*.test.ts", "docs/examples/**/*.test.ts"],
          exclude: ["**/node_modules/**", slow]
        }
      },
      // The server once more, met as a web handler; but what is said there of Node's connections, of a host, of the command.
      {
        extends: true,
        test: {
          name: "web",
          setupFiles,
          include: ["test/server/*.test.ts"],
          exclude: [slow, "test/server/{WebHandler,Frameworks}.test.ts"],
          env: { SEGFORMER_TEST_FACE: "web" }
        }
      },
      // Soaks of half a minute: only one that hangs meets five times what others may take.
      { extends: true, test: { name: "slow", setupFiles, include: [slow], testTimeout: 5 * hangs } },
      // What others' libraries compute, in Python: its environment is made once, over the network.
      {
        extends: true,
        test: {
          name: "truth",
          include: ["test/truth/**/*.truth.ts"],
          testTimeout: 10 * hangs,
          hookTimeout: 10 * hangs
        }
      }
    ],
    coverage: {
      // Counts in the sources alone: V8 counts in all that runs, and loops over pixels take eight times as long.
      provider: "custom",
      customProviderModule: "test/support/Coverage.ts",
      include: ["src/**/*.ts"],
      // Runs in a browser: test/page drives it in Chromium, which this count does not see.
      exclude: ["src/server/page/client/**"],
      reporter: ["text-summary", "json-summary"],
      reportsDirectory: "coverage",
      thresholds: { lines: 94 }
    }
  }
})
