import { describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import { checkRowAlignment } from "../../src/model/row-alignment.ts";

const thrown = (run: () => void): BatchPredictError => {
  try {
    run();
  } catch (error) {
    if (error instanceof BatchPredictError) return error;
  }
  throw new Error("expected a refusal");
};

describe("checkRowAlignment", () => {
  it("accepts one entry per row at any rank", () => {
    checkRowAlignment({ label: { dims: [3] }, scores: { dims: [3, 2] }, states: { dims: [3, 4, 5] } }, 3);
    checkRowAlignment({ label: { dims: [0] } }, 0);
  });

  it("refuses another first dimension with both shapes", () => {
    const error = thrown(() => checkRowAlignment({ fine: { dims: [1000] }, y: { dims: [5000, 2] } }, 1000));
    expect(error.code).toBe("BP_MODEL_ROWS");
    expect(error.message).toBe('output "y" came back with 5000 entries for 1000 rows, so predictions cannot be matched to rows');
    expect(error.details).toMatchObject({ expected: "shape [1000, 2]", actual: "shape [5000, 2]" });
    expect(error.details.hints?.join()).toContain("--outputs");
  });

  it("refuses a scalar, even for one row", () => {
    const error = thrown(() => checkRowAlignment({ loss: { dims: [] } }, 1));
    expect(error.message).toContain('output "loss" is one single value for 1 row');
    expect(error.details.expected).toBe("shape [1]");
  });
});
