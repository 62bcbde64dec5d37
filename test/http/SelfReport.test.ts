/** What services say of themselves in answers of success: of their health, and of work that has failed. */
import { assert, describe, it } from "@effect/vitest"
import { Headers } from "effect/http"
import * as SelfReport from "../../src/http/protocol/SelfReport.ts"

const answerOf = (said: unknown) => ({
  service: "http://lab/health",
  status: 200,
  headers: Headers.empty,
  requestId: "r1",
  body: new TextEncoder().encode(typeof said === "string" ? said : JSON.stringify(said))
})
const health = (said: unknown) => SelfReport.wellUnless(answerOf(said))

describe("a service is not well that says so", () => {
  it.each([
    { status: "ok", model_loaded: false },
    { status: "ok", modelLoaded: "False" },
    { models_loaded: 0 },
    { loaded: false },
    { is_ready: false },
    { isHealthy: false },
    { name: "m", ready: "False" },
    { ready: true, live: false },
    { ok: false },
    { status: false },
    { status: "initializing" },
    { status: "Warming Up" },
    { status: "MODEL_LOADING" },
    { status: "not_serving" },
    { status: "maintenance" },
    { status: "stopped" },
    { status: "error: no GPU" },
    { status: { state: "unhealthy" } },
    { status: "ok", model_status: "not_loaded" },
    { state: "loading" },
    { health: "unhealthy" },
    "Unhealthy",
    "not ready",
    "NOT OK\n",
    "loading",
    "FAIL",
    "false"
  ])("%j", (said) => {
    assert.isFalse(health(said).healthy)
    assert.isNotEmpty(health(said).detail)
  })

  it.each([
    {},
    { status: "ok" },
    { status: "UP" },
    { status: "SERVING" },
    { status: "healthy", model_loaded: true, errors: [] },
    { status: "ok", model: "b0", queue: 0, failed: 0 },
    { status: "available" },
    { live: true, ready: true },
    { status: 200, message: "fine" },
    "ok",
    "Healthy",
    "success",
    "true",
    "Loading dock camera 4: fine"
  ])("and well where it does not: %j", (said) => {
    assert.deepStrictEqual(health(said), { healthy: true, detail: "ready" })
  })

  it("is told of where it is only strained", () => {
    assert.deepStrictEqual(health({ status: "degraded" }), {
      healthy: true,
      detail: 'ready, and its status is "degraded"'
    })
    assert.isTrue(health("Degraded").healthy)
  })
})

describe("work has failed that says so", () => {
  it.each([
    { success: false },
    { is_success: "false" },
    { succeeded: 0 },
    { result: false },
    { error: "out of memory" },
    { error: true },
    { error: { message: "no" } },
    { errors: [{ message: "no" }], data: null },
    { errors: { image: ["too small"] } },
    { exception: "ValueError" },
    { err: "no GPU" },
    { isError: true },
    { is_error: "True" },
    { has_errors: true },
    { failed: true },
    { errno: 110, errmsg: "limit reached" },
    { errorMessage: "Task timed out", errorType: "Sandbox.Timedout" },
    { error_code: 18, error_msg: "limit reached" },
    { errorCode: "E42" },
    { code: 500, msg: "no" },
    { status: 503 },
    { statusCode: 500 },
    { status: "FAILURE" },
    { status: "TIMED_OUT" },
    { state: "FAILED" },
    { status: "canceled" }
  ])("%j", (said) => assert.isTrue(SelfReport.saysFailed({ ...said, mask: [[0]] })))

  it.each([
    {},
    { success: true, error: null },
    { success: 1, error: "" },
    { error: "None" },
    { error: "no errors" },
    { error: "N/A" },
    { err: null, is_error: false, failed: 2 },
    { errno: 0, errmsg: "ok" },
    { error: { code: 0, message: "ok" } },
    { errors: [] },
    { errors: {} },
    { errors: [0.1, 0.2] },
    { error: 0.02 },
    { code: 0, msg: "success" },
    { code: 200 },
    { errorCode: 0, errorMsg: "Success" },
    { errorCode: 0, errorMsg: "Healthy" },
    { error_code: "0" },
    { status: 0 },
    { status: "COMPLETED" },
    { result: "failed parts: none" },
    { errorMessage: "" },
    { class_id: 404 }
  ])("and not where it does not: %j", (said) =>
    assert.isFalse(SelfReport.saysFailed({ ...said, mask: [[0]] }))
  )
})
