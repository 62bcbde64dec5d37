/**
 * The dialects by the name that configuration calls them by: `inspection`, `huggingface` and so on. A new one is its
 * module and a line here. Each is loaded when it is asked for, so that the names alone cost nothing.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Dialects } from "effect-segformer/server"
 *
 * const dialects = await Effect.runPromise(Dialects.load(["huggingface", "openinference"]))
 * dialects.map((dialect) => dialect.name) // => ["huggingface", "openinference"]
 * ```
 */
import { Effect, Schema } from "effect"
import * as ErrorKind from "../../ErrorKind.ts"
import type { Dialect } from "../Dialect.ts"
import type { AnnotationOptions } from "./Annotation.ts"
import type { LabelStudioDialectOptions } from "./labelStudio/LabelStudioDialect.ts"

/** What some of them can be told. */
export interface LoadOptions {
  /** The folder of pictures that requests to `imageprocessing` may name. None by default. */
  readonly pictures?: string | undefined
  /** What annotation tools get of a label map. */
  readonly annotation?: AnnotationOptions | undefined
  /** Where Label Studio is, its key, and where else pictures may come from. */
  readonly labelStudio?: LabelStudioDialectOptions | undefined
}

/** Each dialect as it comes. */
export const byName: Readonly<Record<string, (options?: LoadOptions) => Promise<Dialect>>> = {
  inspection: () => import("./inspection/InspectionDialect.ts").then(({ make }) => make()),
  huggingface: () => import("./HuggingFaceDialect.ts").then(({ make }) => make()),
  openinference: () => import("./openInference/OpenInferenceDialect.ts").then(({ make }) => make()),
  roboflow: () => import("./RoboflowDialect.ts").then(({ make }) => make()),
  tfserving: () => import("./TfServingDialect.ts").then(({ make }) => make()),
  torchserve: () => import("./TorchServeDialect.ts").then(({ make }) => make()),
  bentoml: () => import("./BentoMLDialect.ts").then(({ make }) => make()),
  cog: () => import("./CogDialect.ts").then(({ make }) => make()),
  replicate: () => import("./replicate/ReplicateDialect.ts").then(({ make }) => make()),
  imageprocessing: (options) =>
    import("./ImageProcessingDialect.ts").then(({ make }) => make({ folder: options?.pictures })),
  labelstudio: (options) =>
    import("./labelStudio/LabelStudioDialect.ts").then(({ make }) =>
      make({ ...options?.annotation, ...options?.labelStudio })
    ),
  cvat: (options) => import("./cvat/CvatDialect.ts").then(({ make }) => make(options?.annotation))
}

/** The names, for those who list them. */
export const names: ReadonlyArray<string> = Object.keys(byName)

/** A name that no dialect has. */
export class UnknownDialect extends ErrorKind.ofCaller<UnknownDialect>()("UnknownDialect", {
  name: Schema.String
}) {
  override get message(): string {
    return `There is no dialect "${this.name}". Choose from ${names.join(", ")}`
  }
}

/** The dialects of these names, in their order: the first one has paths that several have. */
export const load = (
  wanted: Iterable<string>,
  options?: LoadOptions
): Effect.Effect<ReadonlyArray<Dialect>, UnknownDialect> =>
  Effect.forEach(new Set(wanted), (name) => {
    const make = Object.hasOwn(byName, name) ? byName[name] : undefined
    return make === undefined
      ? Effect.fail(new UnknownDialect({ name }))
      : Effect.promise(() => make(options))
  })
