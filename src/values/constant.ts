import type { ConstantBinding } from "../core/binding-plan.ts";
import { BatchPredictError } from "../core/errors.ts";
import { allocateTensor, type TensorArray } from "../core/tensor-types.ts";
import { CELL_BAD, CELL_MISSING, cellWriter, expectedText } from "./text-cells.ts";

/**
 * The elements of a constant input, read by the same table as CSV cells.
 * @returns product(shape) elements; a single value fills them all
 * @throws BP_BINDING when a value cannot be read as the input's type
 */
export function fillConstant(constant: ConstantBinding): TensorArray {
  const { input, type, shape, values } = constant;
  const elements = shape.reduce((size, dimension) => size * dimension, 1);
  const data = allocateTensor(type, elements);
  const write = cellWriter(type, { nullValues: [], decimal: "." });
  for (let at = 0; at < elements; at++) {
    const text = values[values.length === 1 ? 0 : at] ?? "";
    const status = write(text, data, at);
    if (status !== CELL_BAD && status !== CELL_MISSING) continue;
    throw new BatchPredictError("BP_BINDING", `cannot read ${JSON.stringify(text)} as ${type} for model input "${input}"`, {
      expected: expectedText(type),
      actual: JSON.stringify(text),
      hints: [`mend the value: --const '${input}=VALUE'`],
    });
  }
  return data;
}
