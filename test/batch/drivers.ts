/** What both drivers of a run are held to: one table, played on one machine and on many. */
import { Duration, Effect } from "effect"
import {
  CircuitOpen,
  type Image,
  ImageNotReadable,
  ImageTooLarge,
  InferenceFailed,
  ModelLoading,
  type Prediction,
  QueueFull,
  RateLimited,
  RequestRejected,
  RetryBudgetSpent,
  type SegmentationError,
  ServiceFailed,
  ServiceUnavailable
} from "effect-segformer"
import { predictionOf } from "./support.ts"

/** A worker has one set of these for all its runs. */
export interface Rules {
  readonly maxFailuresInARow?: number
  readonly maxWait?: Duration.Input
}

/** A run of six images, one at a time, as both drivers can play it. */
export interface Play {
  readonly name: string
  readonly rules: Rules
  readonly maxFailures?: number
  readonly predict: (image: Image) => Effect.Effect<Prediction, SegmentationError>
  /** Whether it ends before its last image, how many failed, and how many of those it was played to were done. */
  readonly expected: { readonly isEnded: boolean; readonly failed: number; readonly done?: number }
}

export const names = Array.from({ length: 6 }, (_, i) => `${i}.png`)

const found = (image: Image): Effect.Effect<Prediction, SegmentationError> =>
  Effect.map(image.bytes, (bytes) => predictionOf(bytes, image.width, image.height))

/** The first so many calls fail so, all others go well. */
const failing = (count: number, error: (image: Image) => SegmentationError): Play["predict"] => {
  let calls = 0
  return (image) => (calls++ < count ? Effect.fail(error(image)) : found(image))
}

const service = "fake"
const detail = ""
const retryAfter = Duration.millis(5)
const status = 429

const turnedAway: ReadonlyArray<SegmentationError> = [
  new RateLimited({ service, status, detail, retryAfter }),
  new CircuitOpen({ service, retryAfter }),
  new RetryBudgetSpent({ service, failure: "it failed" }),
  new QueueFull({ service, concurrency: 1, queue: 0 }),
  new ModelLoading({ service, status: 503, detail, retryAfter }),
  new ServiceUnavailable({ service, status: 503, detail, retryAfter })
]
const broke = new ServiceFailed({ service, status: 500, detail })
const inferred = ({ source }: Image) => new InferenceFailed({ model: "fake", source, detail })

/** Made anew for each driver: they count. */
export const plays = (): ReadonlyArray<Play> => [
  ...turnedAway.map((error) => ({
    name: `${error._tag} is waited for, and is no failure`,
    rules: {},
    maxFailures: 1,
    predict: failing(1, () => error),
    expected: { isEnded: false, failed: 0, done: 6 }
  })),
  {
    name: "an image whose maxWait has ended has failed",
    rules: { maxWait: 0 },
    predict: failing(1, () => new RateLimited({ service, status, detail })),
    expected: { isEnded: false, failed: 1, done: 5 }
  },
  {
    name: "what broke over an image is not waited for",
    rules: {},
    predict: failing(2, () => broke),
    expected: { isEnded: false, failed: 2, done: 4 }
  },
  {
    name: "one failure fewer than may be does not end it",
    rules: {},
    maxFailures: 3,
    predict: failing(2, inferred),
    expected: { isEnded: false, failed: 2, done: 4 }
  },
  {
    name: "the last failure that may be ends it",
    rules: {},
    maxFailures: 3,
    predict: failing(3, inferred),
    expected: { isEnded: true, failed: 3 }
  },
  {
    name: "failures one after the other end it",
    rules: { maxFailuresInARow: 3 },
    predict: failing(3, inferred),
    expected: { isEnded: true, failed: 3 }
  },
  {
    name: "failures with an image between them that went well are in no row",
    rules: { maxFailuresInARow: 3 },
    predict: (() => {
      let calls = 0
      return (image: Image) => (calls++ % 3 === 2 ? found(image) : Effect.fail(inferred(image)))
    })(),
    expected: { isEnded: false, failed: 4, done: 2 }
  },
  ...[
    ({ source }: Image) => new ImageTooLarge({ source, measure: "pixels", actual: 2, limit: 1 }),
    ({ source }: Image) => new ImageNotReadable({ source, detail: "torn" }),
    () => new RequestRejected({ service, status: 413, detail })
  ].map((error, index) => ({
    name: `images that are to blame themselves are in no row (${["too large", "not readable", "refused as too large"][index]})`,
    rules: { maxFailuresInARow: 3 },
    predict: failing(5, error),
    expected: { isEnded: false, failed: 5, done: 1 }
  }))
]
