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
    { status: "canceled" },
    { success: "no" },
    { status: false },
    { errorCode: 500 },
    { errorCode: "500" },
    { errorCode: 1 },
    { errorCode: -1 },
    { errorCode: 302 },
    { errorCode: "FAILED" },
    { error_code: "ERROR" },
    { errCode: "A0400" },
    { code: "FAILED" },
    { code: "ERROR" },
    { code: "INTERNAL_ERROR" },
    { code: "InvalidImage" },
    { code: "404" },
    { code: -1 },
    { code: 1001 },
    { code: 50_000 },
    { code: 1, msg: "the image is too dark" },
    { code: 101, message: "worker died" },
    { status: "101", msg: "worker died" },
    { retCode: 3, msg: "no GPU" },
    { status: -2 },
    { status: "error: no GPU" },
    { status: "ERROR_NO_FACE" },
    { status: "FAILED_PRECONDITION" },
    { status: "Inference failed" },
    { status: "completed_with_errors" },
    { status: { error_code: "INTERNAL", error_message: "worker died" } },
    { status: { code: 500 } },
    { meta: { code: 40_001, message: "no" } },
    { error: { code: 500 } },
    { error: { code: "Throttling", message: "" } },
    { error: "without success" },
    { message: "no success", code: 7 },
    { code: 9, msg: "未成功" }
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
    { class_id: 404 },
    { errorCode: 200 },
    { errorCode: 200, errorMessage: "the mask is ready" },
    { errorCode: "200" },
    { error_code: "OK", error_msg: "OK." },
    { errCode: "SUCCESS" },
    { errno: "00000" },
    { errorCode: 20_000 },
    { errorCode: null, errorMessage: null },
    { errorCode: "", errorMessage: "No error." },
    { errorCode: 201, errMsg: "created" },
    { error: { code: 200, message: "OK" } },
    { error: { code: "OK", message: "all is well" } },
    { error: { code: null, message: "" } },
    { error: { message: "Success!" } },
    { errors: ["none"] },
    { errors: { count: 0, list: [] } },
    { code: "OK" },
    { code: "ok" },
    { code: "SUCCESS", message: "one image" },
    { code: "0", msg: "操作成功" },
    { code: "000" },
    { code: 200, message: "one image" },
    { code: 10_000, msg: "查询成功" },
    { code: 1, msg: "Success" },
    { code: 1 },
    { status: 1, message: "one image" },
    { status: "200" },
    { status: "0" },
    { status: "000", msg: "" },
    { status: "no errors" },
    { status: "completed without errors" },
    { status: "failed_over" },
    { status: "Succeeded" },
    { status: { error_code: "OK", error_message: "" } },
    { status: { code: 0 } },
    { meta: { code: 200 } },
    { retcode: 0, msg: "done" },
    { code: 3, message: "Segmentation complete" },
    { state: "error-free" }
  ])("and not where it does not: %j", (said) =>
    assert.isFalse(SelfReport.saysFailed({ ...said, mask: [[0]] }))
  )
})
