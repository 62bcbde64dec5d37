/**
 * The notification service: a message to a user. `send` never fails its caller: a message that cannot be sent within 10
 * seconds is logged, and the program goes on.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Notification } from "effect-segformer/companions"
 *
 * const program = Effect.gen(function* () {
 *   const notification = yield* Notification
 *   yield* notification.send({ user_id: "ada", message: "Your 12 panels are segmented" })
 *   return "done"
 * })
 * const fake = Notification.fake({ notification: { send: () => Effect.die("the mail server burns") } })
 * await Effect.runPromise(Effect.provide(program, fake)) // => "done"
 * ```
 */
import { Cause, Context, Effect, Layer, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"
import { accepted, Id } from "./Schemas.ts"

export const Message = Schema.Struct({
  user_id: Id,
  message: Schema.String,
  /** Such as `sms`. `email` by default. */
  channel: Schema.optionalKey(Schema.String)
})
export type Message = typeof Message.Type

const { guarded, invalid, notFound } = errorsOf("notification")

export class NotificationApi extends HttpApi.make("notification").add(
  HttpApiGroup.make("notification", { topLevel: true }).add(
    HttpApiEndpoint.post("send", "/send", {
      payload: Message,
      success: accepted,
      error: [...guarded, notFound, invalid]
    })
  )
) {}

/** The service's calls as they are. `NOTIFICATION_SERVICE_URL` says where it is. */
export class NotificationClient extends ServiceClient.Service<NotificationClient>()(
  "effect-segformer/companions/NotificationClient",
  NotificationApi,
  { service: "notification", policy: { deadline: "10 seconds", attemptTimeout: "10 seconds" } }
) {}

const make = Effect.map(NotificationClient, (client) =>
  Notification.of({
    send: ({ channel = "email", message, user_id }) =>
      Effect.catchCause(client.send({ payload: { user_id, message, channel } }), (cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.annotateLogs(Effect.logWarning("A notification was not sent", cause), { user_id, channel })
      )
  })
)

/** Messages to users. */
export class Notification extends Context.Service<
  Notification,
  {
    /** Sends it once: what may have arrived is not sent again. */
    readonly send: (message: Message) => Effect.Effect<void>
  }
>()("effect-segformer/companions/Notification") {
  static readonly layerClient = Layer.effect(Notification, make)
  /** By the service that the registry names. */
  static readonly layer = Layer.provide(this.layerClient, NotificationClient.layer)
  /** By a function, in tests. */
  static readonly fake = (
    handlers: Parameters<typeof NotificationClient.fake>[0]
  ): Layer.Layer<Notification> => Layer.provide(this.layerClient, NotificationClient.fake(handlers))
}
