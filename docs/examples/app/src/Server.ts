/** `node src/Server.ts`: the contract, served at PORT. */
import { createServer } from "node:http"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Config, Layer } from "effect"
import { HttpRouter } from "effect/http"
import * as Main from "./Main.ts"
import { routes } from "./Routes.ts"

const http = NodeHttpServer.layerConfig(createServer, {
  port: Config.withDefault(Config.Port("PORT"), 3000),
  host: Config.withDefault(Config.String("HOST"), "127.0.0.1")
})

HttpRouter.serve(routes).pipe(Layer.provide([http, Main.layer]), Layer.launch, NodeRuntime.runMain)
