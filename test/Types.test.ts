/**
 * What each public program may fail with and what it needs, held by the compiler: a failure that slips in, or a
 * requirement that is lost, breaks `npm run check`.
 */
import { describe, expectTypeOf, it } from "@effect/vitest"
import {
  type Config,
  type Duration,
  type Effect,
  type FileSystem,
  type Layer,
  type PlatformError,
  type Scope,
  Stream
} from "effect"
import type { HttpClient } from "effect/http"
import {
  type CodeNotLoaded,
  type DependencyMissing,
  type ImageError,
  ImageSource,
  type JobClient,
  type MaskNotDecodable,
  type PolicyError,
  segment,
  segmentAll,
  type Segmentation,
  type SegmentationError,
  type SegmentedItem,
  type segmentWithAgreement,
  type Transport,
  type Transports
} from "effect-segformer"
import type {
  AttemptProtocol,
  InspectionService,
  OpenInference,
  Probe,
  Protocol,
  Protocols,
  Replicate,
  RequestProtocol,
  SegFormerConfig,
  SegFormerHttp
} from "effect-segformer/http"
import type { ServerJobs } from "effect-segformer/api"
import type { Batch, BatchError, Item } from "effect-segformer/batch"
import type { CompanionError } from "effect-segformer/companions"
import type { ImageCodec } from "effect-segformer/image"
import type { Download } from "effect-segformer/jobs"
import type { SegFormerOnnx, ModelSource } from "effect-segformer/onnx"
import type { Policy, Wrapped } from "effect-segformer/policy"
import type {
  AddressGuard,
  Exchange,
  InvalidUrl,
  ServiceClient,
  ServiceError,
  ServiceHealth
} from "effect-segformer/service"
import type { NodeAddressGuard, NodeHttp } from "effect-segformer/service/node"
import type { CannotListen, SegFormerServer, StartError } from "effect-segformer/server"
import type { SharpCodec } from "effect-segformer/sharp"
import type { Chaos, FakeHttp, SegFormerTest } from "effect-segformer/testing"
import type { FaultyService } from "effect-segformer/testing/node"
import type { Augmentation, LabelFile, LargeImage, Tiled } from "effect-segformer/tiled"

type Failure<F extends (...args: never) => unknown> =
  ReturnType<F> extends Effect.Effect<infer _A, infer E, infer _R>
    ? E
    : ReturnType<F> extends Layer.Layer<infer _O, infer E, infer _I>
      ? E
      : never
type Needs<F extends (...args: never) => unknown> =
  ReturnType<F> extends Effect.Effect<infer _A, infer _E, infer R>
    ? R
    : ReturnType<F> extends Layer.Layer<infer _O, infer _E, infer I>
      ? I
      : never

describe("errors and requirements of", () => {
  it("segmenting", () => {
    expectTypeOf<Failure<typeof segment>>().toEqualTypeOf<SegmentationError>()
    expectTypeOf<Needs<typeof segment<ImageSource.ImageSource>>>().toEqualTypeOf<Transport>()
    expectTypeOf<Failure<typeof segmentWithAgreement>>().toExtend<SegmentationError>()
  })

  it("sources", () => {
    type NeedsOf<S> = S extends ImageSource.ImageSource<infer R> ? R : never
    expectTypeOf<NeedsOf<ReturnType<typeof ImageSource.bytes>>>().toBeNever()
    expectTypeOf<NeedsOf<ReturnType<typeof ImageSource.file>>>().toEqualTypeOf<FileSystem.FileSystem>()
    expectTypeOf<NeedsOf<ReturnType<typeof ImageSource.url>>>().toEqualTypeOf<HttpClient.HttpClient>()
  })

  it("one of several kinds of sources, and streams of them: all that any of them needs", () => {
    type Either = ReturnType<typeof ImageSource.file> | ReturnType<typeof ImageSource.url>
    type Both = Transport | FileSystem.FileSystem | HttpClient.HttpClient
    expectTypeOf<ImageSource.Services<Either>>().toEqualTypeOf<Exclude<Both, Transport>>()
    expectTypeOf<Needs<typeof segment<Either>>>().toEqualTypeOf<Both>()
    expectTypeOf<Needs<typeof segmentWithAgreement<Either>>>().toEqualTypeOf<
      Transports.Ensemble | Exclude<Both, Transport>
    >()
    expectTypeOf<ReturnType<typeof Item.make<Either>>>().toEqualTypeOf<Item.Item<Exclude<Both, Transport>>>()
    const either = (name: string): Either => ImageSource.bytes(new Uint8Array(), { name })
    const one = () => segment(either("panel.png"))
    expectTypeOf<Needs<typeof one>>().toEqualTypeOf<Both>()
    const many = () => Stream.make("a.png", "https://a/b.png").pipe(Stream.map(either), segmentAll())
    expectTypeOf<Stream.Services<ReturnType<typeof many>>>().toEqualTypeOf<Both>()
    const first = () => segmentAll(Stream.make(either("a.png")), { stopOnFailure: true })
    expectTypeOf<Stream.Services<ReturnType<typeof first>>>().toEqualTypeOf<Both>()
    expectTypeOf<Stream.Error<ReturnType<typeof first>>>().toEqualTypeOf<SegmentationError>()
    const maybe = (stopOnFailure: boolean) => segmentAll(Stream.make(either("a.png")), { stopOnFailure })
    expectTypeOf<Stream.Success<ReturnType<typeof maybe>>>().toEqualTypeOf<Segmentation | SegmentedItem>()
    expectTypeOf<Stream.Error<ReturnType<typeof maybe>>>().toEqualTypeOf<SegmentationError>()
    const piped = (stopOnFailure?: boolean) =>
      Stream.make(either("a.png")).pipe(segmentAll({ stopOnFailure }))
    expectTypeOf<Stream.Success<ReturnType<typeof piped>>>().toEqualTypeOf<Segmentation | SegmentedItem>()
    const page = () => ImageSource.view(either("a.tif"), { page: 2 })
    expectTypeOf<ReturnType<typeof page>>().toEqualTypeOf<
      ImageSource.ImageSource<Exclude<Both, Transport> | ImageCodec>
    >()
    const sent = ({ upload, uploadBatch }: InspectionService["Service"]) => ({
      one: upload(either("a.png")),
      many: uploadBatch([ImageSource.file("a.png"), ImageSource.url("https://a/b.png")])
    })
    type Sent = ReturnType<typeof sent>
    expectTypeOf<Effect.Services<Sent["one"]>>().toEqualTypeOf<Exclude<Both, Transport>>()
    expectTypeOf<Effect.Services<Sent["many"]>>().toEqualTypeOf<Exclude<Both, Transport>>()
  })

  it("transports over HTTP", () => {
    expectTypeOf<Failure<typeof SegFormerHttp.layer>>().toEqualTypeOf<InvalidUrl>()
    expectTypeOf<Needs<typeof SegFormerHttp.layer>>().toEqualTypeOf<HttpClient.HttpClient>()
    expectTypeOf<Failure<typeof SegFormerHttp.layerConfig>>().toEqualTypeOf<InvalidUrl | Config.ConfigError>()
    expectTypeOf<Failure<typeof SegFormerConfig.layerDotEnv>>().toEqualTypeOf<PlatformError.PlatformError>()
    expectTypeOf<Needs<typeof OpenInference.make>>().toEqualTypeOf<ImageCodec>()
    expectTypeOf<Failure<typeof Probe.probe>>().toEqualTypeOf<ServiceError>()
    expectTypeOf<Failure<typeof InspectionService.layer>>().toEqualTypeOf<InvalidUrl>()
    expectTypeOf<ReturnType<typeof Replicate.make>>().not.toBeAny()
  })

  it("options by a Config each, down to those within parts that may be off", () => {
    interface Given {
      readonly count: Config.Config<number>
      readonly text: Config.Config<string>
      readonly time: Config.Config<Duration.Duration>
      readonly off: Config.Config<false>
    }
    const http = ({ count, off, text, time }: Given, make: typeof SegFormerHttp.layerConfig) =>
      make({
        baseUrl: text,
        headers: { "x-tenant": text },
        redirects: { max: count },
        limits: { maxBodyBytes: count },
        policy: {
          deadline: time,
          retry: { times: count, delay: time },
          breaker: { failures: count, rate: { threshold: count } },
          rateLimit: { limit: count },
          retryBudget: off
        }
      })
    expectTypeOf<Failure<typeof http>>().toEqualTypeOf<InvalidUrl | Config.ConfigError>()
    const inspection = ({ count, text }: Given, make: typeof InspectionService.layerConfig) =>
      make({ baseUrl: text, policy: { retry: { times: count } } })
    expectTypeOf<Failure<typeof inspection>>().toEqualTypeOf<InvalidUrl | Config.ConfigError>()
    const server = ({ count }: Given, make: typeof SegFormerServer.layerConfig) =>
      make({ port: count, jobs: { maxJobs: count } })
    expectTypeOf<Failure<typeof server>>().toEqualTypeOf<StartError | Config.ConfigError>()
    interface Flagged {
      readonly a?: false | { readonly b: number }
    }
    expectTypeOf<Wrapped.Wrap<Flagged>>().toEqualTypeOf<
      | Config.Config<Flagged>
      | { readonly a?: Config.Config<Flagged["a"]> | { readonly b: Config.Config<number> } }
    >()
    expectTypeOf<Wrapped.Wrap<ReadonlyArray<string>>>().toEqualTypeOf<Config.Config<ReadonlyArray<string>>>()
    expectTypeOf<{ times: string }>().not.toExtend<Wrapped.Wrap<{ times: number }>>()
  })

  it("what transports and protocols are asked", () => {
    type Raised<E> = E extends Effect.Effect<infer _A, infer E, infer _R> ? E : never
    expectTypeOf<Raised<Transport["Service"]["describe"]>>().toEqualTypeOf<ServiceError | PolicyError>()
    expectTypeOf<Raised<Transport["Service"]["health"]>>().toEqualTypeOf<ServiceError | PolicyError>()
    expectTypeOf<Failure<RequestProtocol["encode"]>>().toEqualTypeOf<ImageError>()
    expectTypeOf<Failure<RequestProtocol["decode"]>>().toEqualTypeOf<ServiceError | MaskNotDecodable>()
    expectTypeOf<Failure<Protocol["health"]["read"]>>().toEqualTypeOf<ServiceError>()
    expectTypeOf<Raised<InspectionService["Service"]["health"]>>().toEqualTypeOf<ServiceError | PolicyError>()
    expectTypeOf<Failure<InspectionService["Service"]["upload"]>>().toEqualTypeOf<
      ImageSource.SourceError | MaskNotDecodable
    >()
  })

  it("a protocol, which predicts in one way or in the other", () => {
    expectTypeOf<Protocol>().toEqualTypeOf<RequestProtocol | AttemptProtocol>()
    expectTypeOf<Omit<RequestProtocol, "decode">>().not.toExtend<Protocol>()
    expectTypeOf<RequestProtocol & { predict: AttemptProtocol["predict"] }>().toBeNever()
    expectTypeOf<RequestProtocol & { isJob: true }>().not.toExtend<AttemptProtocol>()
  })

  it("the policy of one call, which has nothing that calls share", () => {
    type CallPolicy = NonNullable<NonNullable<Parameters<typeof segment>[1]>["policy"]>
    type Settable = { [K in keyof CallPolicy]: undefined extends Required<CallPolicy>[K] ? K : never }
    expectTypeOf<NonNullable<Settable[keyof CallPolicy]>>().toEqualTypeOf<
      "deadline" | "attemptTimeout" | "retry" | "resend"
    >()
    expectTypeOf<{ concurrency: 1 }>().not.toExtend<CallPolicy>()
    // Nor by way of options that were made elsewhere.
    expectTypeOf<Policy.PolicyOptions>().not.toExtend<CallPolicy>()
    expectTypeOf<Policy.PolicyOptions>().not.toExtend<Parameters<typeof ServiceClient.withPolicy>[0]>()
  })

  it("every error, which says what it concerns", () => {
    expectTypeOf<SegmentationError["concerns"]>().toEqualTypeOf<"image" | "service" | "model" | "caller">()
    expectTypeOf<SegmentationError["isTransient"]>().toEqualTypeOf<boolean>()
    expectTypeOf<ImageError["concerns"]>().toEqualTypeOf<"image">()
    // Of all that programs over it may fail with, so that one rule does for whatever is left.
    type Asked = Pick<SegmentationError, "isRetryable" | "isTransient">
    expectTypeOf<Download.Failure>().toExtend<Asked>()
    expectTypeOf<Stream.Error<ReturnType<typeof Tiled.segment>>>().toExtend<Asked>()
    expectTypeOf<CompanionError | ServiceHealth.NotHealthy | ServiceClient.CallError>().toExtend<Asked>()
  })

  it("models here", () => {
    expectTypeOf<Failure<typeof SegFormerOnnx.layer>>().toEqualTypeOf<SegFormerOnnx.LoadError>()
    expectTypeOf<Needs<typeof SegFormerOnnx.layer<never>>>().toEqualTypeOf<ImageCodec>()
    expectTypeOf<ReturnType<typeof ModelSource.hub>>().toEqualTypeOf<
      ModelSource.ModelSource<HttpClient.HttpClient | FileSystem.FileSystem>
    >()
    expectTypeOf<typeof SharpCodec.layer>().toEqualTypeOf<Layer.Layer<ImageCodec>>()
    expectTypeOf<Failure<ImageCodec["Service"]["decode"]>>().toExtend<SegmentationError>()
  })

  it("calling services", () => {
    expectTypeOf<Failure<typeof Exchange.make>>().toEqualTypeOf<InvalidUrl>()
    expectTypeOf<Probe.Finding["protocol"]>().toEqualTypeOf<Protocols.ProtocolName | undefined>()
    expectTypeOf<SegFormerConfig.SegFormerConfig["protocol"]>().toEqualTypeOf<
      Protocols.ProtocolName | undefined
    >()
    expectTypeOf<"gradio">().toExtend<Protocols.ProtocolName>()
    expectTypeOf<string>().not.toExtend<Protocols.ProtocolName>()
    expectTypeOf<Needs<typeof Exchange.make>>().toEqualTypeOf<HttpClient.HttpClient>()
    expectTypeOf<Failure<Exchange.Exchange["send"]>>().toEqualTypeOf<ServiceError>()
    expectTypeOf<Failure<typeof ServiceHealth.layer>>().toBeNever()
    expectTypeOf<Failure<typeof ServiceClient.health>>().toBeNever()
    expectTypeOf<Needs<typeof AddressGuard.layer>>().toEqualTypeOf<HttpClient.HttpClient>()
    expectTypeOf<Needs<typeof NodeAddressGuard.layer>>().toBeNever()
    expectTypeOf<Needs<typeof NodeHttp.layer>>().toBeNever()
    expectTypeOf<Needs<typeof JobClient.make>>().toEqualTypeOf<Scope.Scope>()
  })

  it("work beyond one image", () => {
    expectTypeOf<Failure<typeof Batch.run<never>>>().toEqualTypeOf<BatchError | ServiceError | PolicyError>()
    expectTypeOf<Needs<typeof Batch.run<never>>>().toEqualTypeOf<Transport | FileSystem.FileSystem>()
    expectTypeOf<ReturnType<typeof Tiled.segment>>().toExtend<Stream.Stream<unknown, unknown, Transport>>()
    expectTypeOf<Needs<typeof Augmentation.layer>>().toEqualTypeOf<Transport | ImageCodec>()
    expectTypeOf<typeof LabelFile.write>().not.toBeAny()
    expectTypeOf<Failure<typeof LargeImage.file>>().toEqualTypeOf<
      ImageError | DependencyMissing | CodeNotLoaded
    >()
    expectTypeOf<Failure<LargeImage.LargeImage["window"]>>().toEqualTypeOf<ImageError>()
    expectTypeOf<Failure<typeof Download.file>>().toEqualTypeOf<Download.Failure>()
    expectTypeOf<Needs<typeof Download.file>>().toEqualTypeOf<HttpClient.HttpClient | FileSystem.FileSystem>()
  })

  it("servers and their clients", () => {
    expectTypeOf<Failure<typeof SegFormerServer.layer<never, never>>>().toEqualTypeOf<StartError>()
    expectTypeOf<CannotListen>().toExtend<StartError>()
    expectTypeOf<Needs<typeof SegFormerServer.layer<never, never>>>().toEqualTypeOf<
      Transport | ImageCodec | FileSystem.FileSystem
    >()
    expectTypeOf<Failure<typeof ServerJobs.make>>().toEqualTypeOf<InvalidUrl>()
    expectTypeOf<Needs<typeof ServerJobs.make>>().toEqualTypeOf<HttpClient.HttpClient | Scope.Scope>()
  })

  it("fakes", () => {
    expectTypeOf<Failure<typeof SegFormerTest.layer>>().toBeNever()
    expectTypeOf<Needs<typeof SegFormerTest.script>>().toBeNever()
    expectTypeOf<Needs<typeof FakeHttp.script>>().toBeNever()
    expectTypeOf<Needs<typeof Chaos.layer>>().toEqualTypeOf<Transport>()
    expectTypeOf<Needs<typeof FaultyService.make>>().toEqualTypeOf<Scope.Scope>()
    expectTypeOf<typeof Transports.fallback>().not.toBeAny()
  })
})
