/** A real server on loopback made from a contract: the same handlers as a fake, behind a socket. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer, type Scope } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import type { HttpApi, HttpApiGroup } from "effect/http-api"
import { ServiceClient } from "effect-segformer/service"
import { createServer } from "node:http"

/** Its base URL, such as http://127.0.0.1:41234; it listens until the scope ends. */
export const serve = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  handlers: NoInfer<ServiceClient.FakeHandlers<Groups>>
): Effect.Effect<string, never, Scope.Scope> => {
  const options = { disableLogger: true, disableListenLog: true }
  const server = HttpRouter.serve(ServiceClient.routes(api, handlers), options).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
  )
  return Effect.map(Effect.orDie(Layer.build(server)), (context) =>
    HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  )
}
