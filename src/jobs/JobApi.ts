/**
 * Jobs of a service that is called by its contract: the calls of a `ServiceClient`, made into a `JobClient`.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { JobApi, type JobSnapshot } from "effect-segformer/jobs"
 *
 * interface Answer { readonly id: string; readonly done: boolean }
 * interface Calls {
 *   readonly submit: (request: { payload: { side: number } }) => Effect.Effect<Answer>
 *   readonly status: (request: { params: { id: string } }) => Effect.Effect<Answer>
 *   readonly result: (request: { params: { id: string } }) => Effect.Effect<number>
 * }
 * const read = ({ done, id }: Answer): JobSnapshot<string> =>
 *   ({ job: { jobId: id }, status: done ? { _tag: "Succeeded", output: id } : { _tag: "Running" } })
 * export const squares = (jobs: Calls) =>
 *   JobApi.make({
 *     service: "squares",
 *     submit: (side: number) => Effect.map(jobs.submit({ payload: { side } }), read),
 *     status: ({ jobId }) => Effect.map(jobs.status({ params: { id: jobId } }), read),
 *     result: ({ jobId }) => jobs.result({ params: { id: jobId } })
 *   })
 * ```
 */
import type { Effect, Scope } from "effect"
import type * as PolicyRunner from "../policy/PolicyRunner.ts"
import * as ServiceClient from "../service/ServiceClient.ts"
import type { JobRef, JobSnapshot } from "./Job.ts"
import * as JobClient from "./JobClient.ts"

/** The calls of a `ServiceClient` that are jobs. Each is one request; an answer is read into a snapshot. */
export interface JobCalls<in Input, Output, out Value, out E> extends Pick<
  JobClient.JobContract<Input, Output, Value, E>,
  "service" | "jobOf" | "isRepeatable"
> {
  readonly submit: (input: Input) => Effect.Effect<JobSnapshot<Output>, E>
  readonly status: (job: JobRef) => Effect.Effect<JobSnapshot<Output>, E>
  readonly result: (job: JobRef, output: Output) => Effect.Effect<Value, E>
  readonly cancel?: ((job: JobRef) => Effect.Effect<unknown, E>) | undefined
}

/**
 * A client of jobs over a service's contract: the calls are those of a `ServiceClient`, and the policies are this
 * client's, one for each kind. A submission carries its `Idempotency-Key`.
 */
export const make = <Input, Output, Value, E extends PolicyRunner.Failure>(
  calls: JobCalls<Input, Output, Value, E>,
  options?: JobClient.JobClientOptions
): Effect.Effect<JobClient.JobClient<Input, Output, Value, E>, never, Scope.Scope> => {
  const { cancel } = calls
  return JobClient.make<Input, Output, Value, E>(
    {
      service: calls.service,
      jobOf: calls.jobOf,
      isRepeatable: calls.isRepeatable,
      submit: (input, attempt) =>
        calls
          .submit(input)
          .pipe(
            ServiceClient.withIdempotencyKey(attempt.idempotencyKey),
            ServiceClient.withinAttempt(attempt)
          ),
      status: (job, attempt) => ServiceClient.withinAttempt(calls.status(job), attempt),
      result: (job, output, attempt) => ServiceClient.withinAttempt(calls.result(job, output), attempt),
      cancel:
        cancel === undefined ? undefined : (job, attempt) => ServiceClient.withinAttempt(cancel(job), attempt)
    },
    options
  )
}
