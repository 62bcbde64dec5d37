/**
 * Five services in one program: whose token is it (authentication), what is in the image (image processing), where does
 * it belong (projects), who is told (notification), and what is counted (analytics).
 *
 *     npm run example docs/examples/five-services.ts
 *
 * So that it runs without any of them, they are started first, from the same contracts, on free ports of this machine.
 * Against services of your own, `ServiceRegistry.layer()` reads where they are: AUTHENTICATION_SERVICE_URL and so on.
 */
import { createServer } from "node:http"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Context, Effect, Layer, Redacted } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import {
  Analytics,
  AnalyticsApi,
  Authentication,
  AuthenticationApi,
  ImageProcessing,
  ImageProcessingRoutes,
  Notification,
  NotificationApi,
  PictureFiles,
  Projects,
  ProjectsApi,
  Unauthenticated,
  userOf
} from "effect-segformer/companions"
import { SegFormerOnnx } from "effect-segformer/onnx"
import { Exchange, ServiceClient, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { SharpCodec } from "effect-segformer/sharp"

const [, , image = "sample.jpg", token = "token-of-ada"] = process.argv

const program = Effect.gen(function* () {
  const authentication = yield* Authentication
  const images = yield* ImageProcessing
  const projects = yield* Projects
  const notification = yield* Notification
  const analytics = yield* Analytics

  const who = yield* authentication.verify(Redacted.make(token))
  if (who._tag === "NotValid") return yield* Console.log(`Nobody is let in: ${who.detail}`)
  const user_id = userOf(who.claims) ?? "somebody"

  const found = yield* images.detect({ image_path: image, detection_types: ["particle", "scratch"] })
  const count = (type: string) => found.filter((object) => object.type === type).length
  const content = `${image}: ${count("particle")} particles, ${count("scratch")} scratches`

  const { id: project_id } = yield* projects.createProject({ payload: { name: "Line 2" } })
  yield* projects.createComment({ params: { project_id }, payload: { content } })
  const comments = yield* projects.listComments({ params: { project_id }, query: {} })
  for (const comment of comments) yield* Console.log(`Project ${project_id}: ${comment.content}`)

  // Neither of these can fail the program; what analytics has not sent yet goes out before it ends.
  yield* notification.send({ user_id, message: content })
  yield* analytics.report({ user_id, action: "detect", resource_type: "image", resource_id: image })
})

/** A server of these routes, until the program ends: its address. */
const serve = <E>(routes: Layer.Layer<never, E, Layer.Services<ReturnType<typeof ServiceClient.routes>>>) =>
  HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
    Layer.build,
    Effect.map((context) => HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address))
  )

/** Image processing on the model in this package, for the pictures of the documentation. */
const imageProcessing = ImageProcessing.layerLocal().pipe(
  Layer.provide([SegFormerOnnx.layer(), PictureFiles.layerFolder("docs/images")]),
  Layer.provide([SharpCodec.layer, NodeFileSystem.layer, NodePath.layer])
)

/** Five servers on this machine, and where they are. */
const services = Layer.unwrap(
  Effect.gen(function* () {
    const comments: Array<string> = []
    return ServiceRegistry.layerOf({
      authentication: yield* serve(
        ServiceClient.routes(AuthenticationApi, {
          authentication: {
            verify: ({ payload }) =>
              Redacted.value(payload.token) === "token-of-ada"
                ? Effect.succeed({ sub: "ada" })
                : new Unauthenticated({ service: "authentication", detail: "unknown token" })
          }
        })
      ),
      imageProcessing: yield* serve(Layer.provide(ImageProcessingRoutes.layer, imageProcessing)),
      project: yield* serve(
        ServiceClient.routes(ProjectsApi, {
          project: {
            createProject: ({ payload }) => Effect.succeed({ id: 1, ...payload }),
            createComment: ({ payload }) =>
              Effect.sync(() => ({ id: comments.push(payload.content), ...payload })),
            listComments: () =>
              Effect.sync(() => comments.map((content, index) => ({ id: index + 1, content })))
          }
        })
      ),
      notification: yield* serve(
        ServiceClient.routes(NotificationApi, {
          notification: {
            send: ({ payload }) =>
              Console.log(`To ${payload.user_id} by ${payload.channel}: ${payload.message}`)
          }
        })
      ),
      analytics: yield* serve(
        ServiceClient.routes(AnalyticsApi, {
          analytics: {
            record: ({ payload }) =>
              Console.log(`${payload.user_id} did ${payload.action} ${payload.resource_id}`)
          }
        })
      )
    })
  })
)

const clients = Layer.mergeAll(
  Authentication.layer,
  ImageProcessing.layerHttp(),
  Projects.layer,
  Notification.layer(),
  Analytics.layer()
)

program.pipe(
  Effect.provide(clients),
  Effect.provide([services, NodeHttp.layer()]),
  // Without the line that there would be before and after each request.
  Effect.provideService(Exchange.LogRequests, "none"),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
