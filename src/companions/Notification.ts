/**
 * The notification service: a message to a user. `send` never fails its caller: it says whether the message was taken, and
 * what kept it from that is a line in the log. It tries once, for at most 10 seconds, so that a service that nobody has
 * started holds nobody up; more attempts are for who asks for them (`NOTIFICATION_SERVICE_MAX_RETRIES`, or a policy).
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Notification } from "effect-segformer/companions"
 *
 * const sent = Effect.flatMap(Notification, (notification) =>
 *   notification.send({ user_id: "ada", message: "Your 12 panels are segmented" })
 * )
 * const fake = Notification.fake({ notification: { send: () => Effect.void } })
 * const burning = Notification.fake({ notification: { send: () => Effect.die("the mail server burns") } })
 * await Effect.runPromise(Effect.provide(sent, fake)) // => true
 * await Effect.runPromise(Effect.provide(sent, burning)) // => false
 * ```
 */
import { Cause, Context, Effect, Layer, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"
import { accepted, Id, open } from "./Schemas.ts"

export const Message = open({
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
  {
    service: "notification",
    policy: { deadline: "10 seconds", attemptTimeout: "10 seconds", retry: { times: 0 } }
  }
) {}

export interface NotificationOptions {
  /** The statuses that say that a message was taken. 202 alone by default. */
  readonly sentBy?: ReadonlyArray<number> | undefined
}

const make = Effect.fnUntraced(function* (options: NotificationOptions) {
  const { sentBy = [202] } = options
  const client = yield* NotificationClient
  return Notification.of({
    send: (message) => {
      const payload = { ...message, channel: message.channel ?? "email" }
      const { channel, user_id } = payload
      const unsent = (why: string, cause?: Cause.Cause<unknown>) =>
        Effect.logWarning(`A notification was not sent${why}`, ...(cause === undefined ? [] : [cause])).pipe(
          Effect.annotateLogs({ user_id, channel }),
          Effect.as(false)
        )
      return Effect.matchCauseEffect(client.send({ payload, responseMode: "decoded-and-response" }), {
        onSuccess: ([, { status }]) =>
          sentBy.includes(status)
            ? Effect.succeed(true)
            : unsent(`: the service answers ${status}, which is none of ${sentBy.join(", ")} (\`sentBy\`)`),
        onFailure: (cause) => (Cause.hasInterruptsOnly(cause) ? Effect.interrupt : unsent("", cause))
      })
    }
  })
})

/** Messages to users. */
export class Notification extends Context.Service<
  Notification,
  {
    /** Whether the service took it. What may have arrived is not sent again. */
    readonly send: (message: Message) => Effect.Effect<boolean>
  }
>()("effect-segformer/companions/Notification") {
  static readonly layerClient = (
    options: NotificationOptions = {}
  ): Layer.Layer<Notification, never, NotificationClient> => Layer.effect(Notification, make(options))
  /** By the service that the registry names. */
  static readonly layer = (options?: NotificationOptions) =>
    Layer.provide(Notification.layerClient(options), NotificationClient.layer)
  /** By a function, in tests. */
  static readonly fake = (
    handlers: Parameters<typeof NotificationClient.fake>[0],
    options?: NotificationOptions
  ): Layer.Layer<Notification> =>
    Layer.provide(Notification.layerClient(options), NotificationClient.fake(handlers))
}
