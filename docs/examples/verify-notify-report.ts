/**
 * Verify a token, tell its owner, report what was done: three services, of which none can fail the program.
 *
 *     AUTH_SERVICE_URL=http://localhost:8010 AUTH_SERVICE_API_KEY=… \
 *     NOTIFICATION_SERVICE_URL=http://localhost:8011 NOTIFICATION_API_KEY=… \
 *     ANALYTICS_SERVICE_URL=http://localhost:8004/api/v1 npm run example docs/examples/verify-notify-report.ts TOKEN
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Redacted } from "effect"
import { Analytics, Authentication, Notification, userOf } from "effect-segformer/companions"
import { Exchange, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"

const [, , token = "token"] = process.argv

const program = Effect.gen(function* () {
  const authentication = yield* Authentication
  const notification = yield* Notification
  const analytics = yield* Analytics

  const found = yield* authentication.verify(Redacted.make(token))
  if (found._tag === "NotValid") return yield* Console.log(`Nobody is let in: ${found.detail}`)
  const user_id = userOf(found.claims) ?? "somebody"
  yield* Console.log(`Welcome, ${user_id}`)

  const isSent = yield* notification.send({ user_id, message: "You are signed in", channel: "email" })
  yield* Console.log(isSent ? "A message is on its way" : "No message could be sent")

  const event = { user_id, action: "sign-in", resource_type: "session", resource_id: user_id }
  const isTaken = yield* analytics.report(event, { wait: true })
  yield* Console.log(isTaken ? "It is counted" : "It is not counted")
})

const services = Layer.mergeAll(Authentication.layer, Notification.layer(), Analytics.layer()).pipe(
  Layer.provide([ServiceRegistry.layer(), NodeHttp.layer()])
)

program.pipe(
  Effect.provide(services),
  // Without the lines that there would be before and after each request.
  Effect.provideService(Exchange.LogRequests, "none"),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
