/** Every call of every companion: what it sends, what the service answers, and what that is to the caller. */
import { Effect, Redacted } from "effect"
import {
  AnalyticsApi,
  AnalyticsClient,
  AuthenticationApi,
  AuthenticationClient,
  Designs,
  DesignsApi,
  ImageProcessingApi,
  ImageProcessingClient,
  Knowledge,
  KnowledgeApi,
  Marketplace,
  MarketplaceApi,
  NotificationApi,
  NotificationClient,
  Projects,
  ProjectsApi,
  Users,
  UsersApi
} from "effect-segformer/companions"
import { serve } from "../support/ContractServer.ts"
import { companion, type Companion, declaredBy, each } from "./companion.ts"

const user = { id: 7, email: "ada@example.org", username: "ada" }
const project = { id: 3, name: "Line 2", owner_id: 7 }
const comment = { id: "c-1", project_id: 3, content: "Fine" }
const resource = { id: 5, title: "Solder", resource_type: "pdf" }
const citation = { id: 9, resource_id: 5, project_id: 3, context: "Limits" }
const design = { id: 4, project_id: 3, name: "Jig", specification: { holes: [1, 2] } }
const product = { id: 6, name: "Lens", price: 12.5, currency: "EUR" }
const order = { id: 8, product_id: 6, quantity: 2, status: "shipped" }
const detection = { type: "face", confidence: 0.9, bounding_box: { x: 1, y: 2, width: 3, height: 4 } }
const ratio = { width: 3, height: 4 }
const processed = {
  original_path: "a.jpg",
  processed_path: "processed/a.jpg",
  crop_coordinates: { x: 0, y: 0, width: 30, height: 40 },
  final_dimensions: { width: 30, height: 40 }
}
const password = Redacted.make("secret")
const params = { project_id: 3 }
const commentParams = { project_id: 3, comment_id: "c-1" }

const declared = {
  user: declaredBy(UsersApi),
  project: declaredBy(ProjectsApi),
  knowledge: declaredBy(KnowledgeApi),
  design: declaredBy(DesignsApi),
  marketplace: declaredBy(MarketplaceApi),
  authentication: declaredBy(AuthenticationApi),
  notification: declaredBy(NotificationApi),
  analytics: declaredBy(AnalyticsApi),
  imageProcessing: declaredBy(ImageProcessingApi)
}

export const companions: ReadonlyArray<Companion> = [
  companion(
    "authentication",
    AuthenticationClient,
    declared.authentication,
    (answer) => serve(AuthenticationApi, { authentication: each(declared.authentication, answer) }),
    (client) => ({
      verify: {
        call: client.verify({ payload: { token: Redacted.make("t-1") } }),
        sends: ["POST /verify", { token: "t-1" }],
        answers: { sub: "ada", roles: ["admin"] },
        repeats: true
      }
    })
  ),
  companion(
    "notification",
    NotificationClient,
    declared.notification,
    (answer) => serve(NotificationApi, { notification: each(declared.notification, answer) }),
    (client) => ({
      send: {
        call: client.send({ payload: { user_id: 7, message: "Done", channel: "email" } }),
        sends: ["POST /send", { user_id: 7, message: "Done", channel: "email" }],
        status: 202,
        repeats: false
      }
    })
  ),
  companion(
    "analytics",
    AnalyticsClient,
    declared.analytics,
    (answer) => serve(AnalyticsApi, { analytics: each(declared.analytics, answer) }),
    (client) => {
      const payload = {
        user_id: "ada",
        action: "segment",
        resource_type: "image",
        resource_id: "panel.png",
        timestamp: "2026-01-02T03:04:05.000Z"
      }
      return {
        record: { call: client.record({ payload }), sends: ["POST /events", payload], repeats: false }
      }
    }
  ),
  companion(
    "user",
    Users,
    declared.user,
    (answer) => serve(UsersApi, { user: each(declared.user, answer) }),
    (client) => ({
      getUser: {
        call: client.getUser({ params: { user_id: 7 } }),
        sends: ["GET /users/7"],
        answers: { ...user, created_at: "a field that is not known", is_active: true, groups: [{ id: 1 }] }
      },
      createUser: {
        call: client.createUser({ payload: { email: user.email, username: "ada", password } }),
        sends: ["POST /users", { email: user.email, username: "ada", password: "secret" }],
        answers: user,
        status: 201,
        repeats: false
      },
      updateUser: {
        call: client.updateUser({ params: { user_id: "7" }, payload: { username: "lady" } }),
        sends: ["PUT /users/7", { username: "lady" }],
        answers: user
      },
      deleteUser: {
        call: client.deleteUser({ params: { user_id: 7 } }),
        sends: ["DELETE /users/7"],
        status: 204
      },
      authenticate: {
        call: Effect.map(
          client.authenticate({ payload: { email: user.email, password } }),
          ({ access_token }) => Redacted.value(access_token)
        ),
        sends: ["POST /auth/login", { email: user.email, password: "secret" }],
        answers: { access_token: "t-1", token_type: "bearer", user_id: 7 },
        gives: "t-1",
        repeats: false
      },
      getRoles: {
        call: client.getRoles({ params: { user_id: 7 } }),
        sends: ["GET /users/7/roles"],
        answers: [{ id: 1, name: "admin" }]
      }
    })
  ),
  companion(
    "project",
    Projects,
    declared.project,
    (answer) => serve(ProjectsApi, { project: each(declared.project, answer) }),
    (client) => ({
      listProjects: {
        call: client.listProjects({ query: { skip: 20, limit: 10 } }),
        sends: ["GET /projects?skip=20&limit=10"],
        answers: [project]
      },
      createProject: {
        call: client.createProject({ payload: { name: "Line 2", owner_id: 7 } }),
        sends: ["POST /projects", { name: "Line 2", owner_id: 7 }],
        answers: project,
        repeats: false
      },
      getProject: { call: client.getProject({ params }), sends: ["GET /projects/3"], answers: project },
      updateProject: {
        call: client.updateProject({ params, payload: { description: "The new one" } }),
        sends: ["PUT /projects/3", { description: "The new one" }],
        answers: project
      },
      deleteProject: {
        call: client.deleteProject({ params }),
        sends: ["DELETE /projects/3"],
        answers: { message: "gone" },
        gives: undefined
      },
      listComments: {
        call: client.listComments({ params, query: {} }),
        sends: ["GET /projects/3/comments"],
        answers: [comment]
      },
      createComment: {
        call: client.createComment({ params, payload: { content: "Fine" } }),
        sends: ["POST /projects/3/comments", { content: "Fine" }],
        answers: comment,
        status: 201,
        repeats: false
      },
      getComment: {
        call: client.getComment({ params: commentParams }),
        sends: ["GET /projects/3/comments/c-1"],
        answers: comment
      },
      updateComment: {
        call: client.updateComment({ params: commentParams, payload: { content: "Better" } }),
        sends: ["PUT /projects/3/comments/c-1", { content: "Better" }],
        answers: comment
      },
      deleteComment: {
        call: client.deleteComment({ params: commentParams }),
        sends: ["DELETE /projects/3/comments/c-1"],
        status: 204
      }
    })
  ),
  companion(
    "knowledge",
    Knowledge,
    declared.knowledge,
    (answer) => serve(KnowledgeApi, { knowledge: each(declared.knowledge, answer) }),
    (client) => ({
      listResources: {
        call: client.listResources({ query: {} }),
        sends: ["GET /resources"],
        answers: [resource]
      },
      createResource: {
        call: client.createResource({ payload: { title: "Solder", resource_type: "pdf" } }),
        sends: ["POST /resources", { title: "Solder", resource_type: "pdf" }],
        answers: resource,
        status: 201,
        repeats: false
      },
      getResource: {
        call: client.getResource({ params: { resource_id: 5 } }),
        sends: ["GET /resources/5"],
        answers: resource
      },
      updateResource: {
        call: client.updateResource({ params: { resource_id: 5 }, payload: { title: "Solder 2" } }),
        sends: ["PUT /resources/5", { title: "Solder 2" }],
        answers: resource
      },
      deleteResource: {
        call: client.deleteResource({ params: { resource_id: 5 } }),
        sends: ["DELETE /resources/5"],
        status: 204
      },
      search: {
        call: client.search({ query: { query: "building codes", resource_type: "pdf", limit: 20 } }),
        sends: ["GET /search?query=building+codes&resource_type=pdf&limit=20"],
        answers: { results: [resource], total: 1 }
      },
      getProjectResources: {
        call: client.getProjectResources({ params }),
        sends: ["GET /projects/3/resources"],
        answers: [resource]
      },
      createCitation: {
        call: client.createCitation({ payload: { resource_id: 5, project_id: 3, context: "Limits" } }),
        sends: ["POST /citations", { resource_id: 5, project_id: 3, context: "Limits" }],
        answers: citation,
        status: 201,
        repeats: false
      },
      listCitations: {
        call: client.listCitations({ params }),
        sends: ["GET /projects/3/citations"],
        answers: [citation]
      },
      deleteCitation: {
        call: client.deleteCitation({ params: { citation_id: 9 } }),
        sends: ["DELETE /citations/9"],
        status: 204
      },
      getRecommendations: {
        call: client.getRecommendations({ params }),
        sends: ["GET /projects/3/recommendations"],
        answers: [resource]
      }
    })
  ),
  companion(
    "design",
    Designs,
    declared.design,
    (answer) => serve(DesignsApi, { design: each(declared.design, answer) }),
    (client) => ({
      listDesigns: {
        call: client.listDesigns({ query: { project_id: 3 } }),
        sends: ["GET /designs?project_id=3"],
        answers: [design]
      },
      createDesign: {
        call: client.createDesign({ payload: { project_id: 3, name: "Jig" } }),
        sends: ["POST /designs", { project_id: 3, name: "Jig" }],
        answers: design,
        status: 201,
        repeats: false
      },
      getDesign: {
        call: client.getDesign({ params: { design_id: 4 } }),
        sends: ["GET /designs/4"],
        answers: design
      },
      updateDesign: {
        call: client.updateDesign({ params: { design_id: 4 }, payload: { name: "Jig 2" } }),
        sends: ["PUT /designs/4", { name: "Jig 2" }],
        answers: design
      },
      deleteDesign: {
        call: client.deleteDesign({ params: { design_id: 4 } }),
        sends: ["DELETE /designs/4"],
        status: 204
      }
    })
  ),
  companion(
    "marketplace",
    Marketplace,
    declared.marketplace,
    (answer) => serve(MarketplaceApi, { marketplace: each(declared.marketplace, answer) }),
    (client) => ({
      listProducts: {
        call: client.listProducts({ query: { query: "lens" } }),
        sends: ["GET /products?query=lens"],
        answers: [product]
      },
      createProduct: {
        call: client.createProduct({ payload: { name: "Lens", price: 12.5 } }),
        sends: ["POST /products", { name: "Lens", price: 12.5 }],
        answers: product,
        status: 201,
        repeats: false
      },
      getProduct: {
        call: client.getProduct({ params: { product_id: 6 } }),
        sends: ["GET /products/6"],
        answers: product
      },
      updateProduct: {
        call: client.updateProduct({ params: { product_id: 6 }, payload: { price: 11 } }),
        sends: ["PUT /products/6", { price: 11 }],
        answers: product
      },
      deleteProduct: {
        call: client.deleteProduct({ params: { product_id: 6 } }),
        sends: ["DELETE /products/6"],
        status: 204
      },
      createOrder: {
        call: client.createOrder({ payload: { product_id: 6, quantity: 2 } }),
        sends: ["POST /orders", { product_id: 6, quantity: 2 }],
        answers: order,
        status: 201,
        repeats: false
      },
      getOrder: {
        call: client.getOrder({ params: { order_id: 8 } }),
        sends: ["GET /orders/8"],
        answers: order
      },
      cancelOrder: {
        call: client.cancelOrder({ params: { order_id: 8 } }),
        sends: ["DELETE /orders/8"],
        status: 204
      }
    })
  ),
  companion(
    "imageProcessing",
    ImageProcessingClient,
    declared.imageProcessing,
    (answer) => serve(ImageProcessingApi, { imageProcessing: each(declared.imageProcessing, answer) }),
    (client) => {
      const detect = { image_path: "a.jpg", detection_types: ["face"], confidence_threshold: 0.7 }
      const crop = {
        image_path: "a.jpg",
        target_aspect_ratio: ratio,
        detection_results: [detection],
        crop_strategy: "center_faces" as const
      }
      const batch = {
        images: ["a.jpg", "b.jpg"],
        processing_options: {
          target_aspect_ratio: ratio,
          crop_strategy: "center" as const,
          detection_types: ["face"]
        }
      }
      const sheet = {
        processed_images: ["processed/a.jpg"] as const,
        grid_layout: { rows: 1, columns: 2 },
        sheet_orientation: "portrait" as const,
        output_format: "pdf" as const
      }
      return {
        detect: {
          call: client.detect({ payload: detect }),
          sends: ["POST /api/v1/detect", detect],
          answers: [detection],
          repeats: true
        },
        crop: {
          call: client.crop({ payload: crop }),
          sends: ["POST /api/v1/crop", crop],
          answers: processed,
          repeats: true
        },
        batch: {
          call: client.batch({ payload: batch }),
          sends: ["POST /api/v1/process-batch", batch],
          answers: { processed_images: [processed], failed_images: [{ path: "b.jpg", error: "no image" }] },
          repeats: true
        },
        sheet: {
          call: client.sheet({ payload: sheet }),
          sends: ["POST /api/v1/compose-sheet", sheet],
          answers: { output_path: "s.pdf", format: "pdf", dimensions: { width: 595, height: 842 } },
          repeats: true
        },
        health: {
          call: client.health(),
          sends: ["GET /health"],
          answers: { status: "degraded", checks: { model: false }, last_error: "no model" },
          // It says how it is with this status, too.
          status: 503
        }
      }
    }
  )
]
