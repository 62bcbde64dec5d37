/** The services that every registry knows by itself: what their variables start with, and where they are without any. */
import type { ServiceDefinition } from "./ServiceDefinition.ts"

const onThisMachine = (port: number): ServiceDefinition => ({
  port,
  basePath: "/api/v1",
  development: `http://localhost:${port}/api/v1`
})

/** Those of a registry that was told of none. */
export const builtIn: Readonly<Record<string, ServiceDefinition>> = {
  user: onThisMachine(8001),
  project: onThisMachine(8003),
  knowledge: onThisMachine(8002),
  design: onThisMachine(8000),
  marketplace: onThisMachine(8005),
  analytics: onThisMachine(8004)
}

/** The built-in ones, and those that are found where somebody asks for them by name. */
export const known: Readonly<Record<string, ServiceDefinition>> = {
  ...builtIn,
  authentication: { prefix: "AUTHENTICATION", aliases: ["AUTH"] },
  imageProcessing: {
    prefix: "PYTHON",
    aliases: ["IMAGE_PROCESSING"],
    port: 8000,
    development: "http://localhost:8000"
  },
  retrieval: { port: 8000, development: "http://localhost:8000" }
}
