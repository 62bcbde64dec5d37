/** Attempts that are part of another: the requests of a job, the transports behind a transport. */
import type { Attempt } from "./Attempt.ts"

/**
 * An attempt that carries the id of the call it is part of and keeps that call's phase up to date. It keeps its own
 * idempotency key unless it is given one.
 */
export const nestedIn = (attempt: Attempt, whole: Attempt | undefined, idempotencyKey?: string): Attempt =>
  whole === undefined && idempotencyKey === undefined
    ? attempt
    : {
        ...attempt,
        callId: whole?.callId ?? attempt.callId,
        idempotencyKey: idempotencyKey ?? attempt.idempotencyKey,
        get phase() {
          return attempt.phase
        },
        set phase(phase) {
          attempt.phase = phase
          if (whole !== undefined) whole.phase = phase
        }
      }
