/**
 * The same program with a fake in the place of the service: no network, no waiting, and it sees what was asked.
 *
 *     npm run example docs/examples/fake.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { ConnectionFailed, ImageSource, segment } from "effect-segformer"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"

const program = Effect.gen(function* () {
  const segmentation = yield* segment(ImageSource.bytes(Fixtures.image, { name: "panel.png" }))
  const labelMap = yield* segmentation.labelMap
  const asked = yield* SegFormerTest.Recorded
  yield* Console.log(`${labelMap.width} x ${labelMap.height} after ${(yield* asked.calls).length} attempts`)
})

// The first attempt fails, the second succeeds; the delay between them is cut to nothing.
const fake = SegFormerTest.script(
  [
    SegFormerTest.failWith(
      new ConnectionFailed({ service: "fake", phase: "sending", sent: "no", detail: "the cable is out" })
    ),
    SegFormerTest.succeed(Fixtures.prediction)
  ],
  { policy: { retry: { delay: "1 millis" } } }
)

program.pipe(Effect.provide(fake), NodeRuntime.runMain)
