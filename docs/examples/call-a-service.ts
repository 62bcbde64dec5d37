/**
 * Call a service with retries and a circuit: failures of the connection alone are tried again, and a service that failed
 * five calls in a row is left alone for a minute. The circuit stands around the retries and counts calls.
 *
 *     USER_SERVICE_URL=http://localhost:8001/api/v1 npm run example docs/examples/call-a-service.ts 7
 *
 * USER_SERVICE_HOST, _PORT, _PROTOCOL and _BASE_PATH are its parts; USER_SERVICE_TIMEOUT, _MAX_RETRIES, _RETRY_DELAY and
 * _MAX_CONNECTIONS, in milliseconds, go before what stands here.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { open } from "effect-segformer/companions"
import { Exchange, ServiceClient, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"

const [, , id = "7"] = process.argv

const UserApi = HttpApi.make("user").add(
  HttpApiGroup.make("users").add(
    HttpApiEndpoint.get("byId", "/users/:id", {
      params: { id: Schema.String },
      success: open({ id: Schema.Union([Schema.Int, Schema.String]), name: Schema.String })
    })
  )
)

class Users extends ServiceClient.Service<Users>()("app/Users", UserApi, {
  service: "user",
  policy: {
    attemptTimeout: "30 seconds",
    retry: { times: 3, delay: "1 second", statuses: [] },
    breaker: { around: "calls", failures: 5, openFor: "60 seconds", serverErrors: false }
  }
}) {}

const program = Effect.gen(function* () {
  const client = yield* Users
  const user = yield* client.users.byId({ params: { id } })
  yield* Console.log(`${user.name}: ${JSON.stringify(user)}`)
  const { _tag } = yield* ServiceClient.about(client).circuit.state
  yield* Console.log(`The circuit is ${_tag.toLowerCase()}`)
})

const services = Users.layer.pipe(
  Layer.provide([ServiceRegistry.layer(), NodeHttp.layer(), Layer.succeed(Exchange.UserAgent)("example/1.0")])
)

program.pipe(
  Effect.provide([services, Logger.layer([Logger.consoleLogFmt])]),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
