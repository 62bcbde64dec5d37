/**
 * A registry of services and their typed clients: where each is, how each is, and a project with what it cites.
 *
 *     USER_SERVICE_URL=http://localhost:8001/api/v1 npm run example docs/examples/registry-and-clients.ts
 *
 * The registry knows the services by itself, at their ports of this machine. `{NAME}_SERVICE_URL`, or `_HOST`, `_PORT`,
 * `_PROTOCOL` and `_BASE_PATH`, say where each is elsewhere; NODE_ENV=production takes none to be on this machine.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { Knowledge, Projects, Users } from "effect-segformer/companions"
import { ErrorResponse, Exchange, ServiceClient, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"

const program = Effect.gen(function* () {
  const registry = yield* ServiceRegistry.ServiceRegistry
  yield* Console.log(`Known: ${registry.services.map(({ name }) => name).join(", ")}`)

  const users = yield* Users
  const projects = yield* Projects
  const knowledge = yield* Knowledge
  for (const client of [users, projects, knowledge]) {
    const { service } = ServiceClient.about(client)
    const { healthy } = yield* ServiceClient.health(client)
    yield* Console.log(`${service} is ${healthy ? "healthy" : "not healthy"}`)
  }

  const ada = yield* users.getUser({ params: { user_id: 7 } })
  const roles = yield* users.getRoles({ params: { user_id: 7 } })
  yield* Console.log(`${String(ada["full_name"])}: ${roles.map(({ name }) => name).join(", ")}`)

  const project = yield* projects.createProject({ payload: { name: "Line 2", owner_id: ada.id } })
  const { results } = yield* knowledge.search({ query: { query: "solder", limit: 1 } })
  for (const { id } of results)
    yield* knowledge.createCitation({
      payload: { project_id: project.id, resource_id: id, context: "Limits" }
    })
  yield* Console.log(`Project ${project.id} cites ${results.length} resource(s)`)

  const missing = yield* Effect.flip(projects.getProject({ params: { project_id: "none" } }))
  const { code, message, status } = ErrorResponse.of(missing)
  yield* Console.log(`${status} ${code}: ${message}`)
})

const registry = ServiceRegistry.layer()
const clients = Layer.mergeAll(Users.layer, Projects.layer, Knowledge.layer).pipe(
  Layer.provideMerge(registry),
  Layer.provide(NodeHttp.layer())
)

program.pipe(
  Effect.provide(clients),
  Effect.provideService(Exchange.LogRequests, "none"),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
