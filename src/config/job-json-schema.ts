/** The JSON Schema (draft-07) of a job file, for editors and for suggestions of keys. */
import { z } from "zod";
import { jobSchema } from "./job-schema.ts";

interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  anyOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  pattern?: string;
  description?: string;
  [more: string]: unknown;
}

/**
 * What may stand in the file, before variables are filled in: a number, a choice or a text of a certain form may also be
 * `${VAR}` or `{{ template }}`, except in the fields that must be known before any run.
 */
export function jobJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(jobSchema, { target: "draft-7", io: "input" }) as Schema;
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    if (!["$schema", "version", "name", "description", "schedule", "timezone"].includes(key)) allowVariables(field);
  }
  return {
    $schema,
    title: "batchpredict job",
    description: "A batch prediction: which model scores which data, where the result goes, and when.",
    ...schema,
    definitions: {
      variable: { type: "string", pattern: "\\$\\{[^}]+\\}|\\{\\{.+\\}\\}", description: "From the environment, or a template." },
    },
  };
}

/** Keys that a mapping at `path` may have; null where any key may stand (model inputs, columns). */
export function keysAt(path: readonly PropertyKey[]): string[] | null {
  let level: Schema[] = [z.toJSONSchema(jobSchema, { target: "draft-7", io: "input" }) as Schema];
  for (const key of path) {
    level = alternatives(level).flatMap((schema) => {
      const next = typeof key === "number" ? schema.items : (schema.properties?.[String(key)] ?? schema.additionalProperties);
      return typeof next === "object" ? [next] : [];
    });
  }
  const keys = alternatives(level).flatMap(({ properties }) => Object.keys(properties ?? {}));
  return keys.length > 0 ? [...new Set(keys)].filter((key) => key !== "$schema") : null;
}

/** Mappings that know this key, as dotted paths: for a key that stands on the wrong level. */
export function homesOf(key: string): string[] {
  const homes: string[] = [];
  const visit = (schema: Schema, path: string): void => {
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      if (name === key && path !== "") homes.push(path);
      for (const inner of alternatives([field])) visit(inner, path === "" ? name : `${path}.${name}`);
    }
  };
  visit(z.toJSONSchema(jobSchema, { target: "draft-7", io: "input" }) as Schema, "");
  return [...new Set(homes)];
}

function alternatives(schemas: Schema[]): Schema[] {
  return schemas.flatMap((schema) => [schema, ...alternatives(schema.anyOf ?? [])]);
}

function allowVariables(schema: Schema): void {
  for (const inner of Object.values(schema.properties ?? {})) allowVariables(inner);
  if (typeof schema.additionalProperties === "object") allowVariables(schema.additionalProperties);
  if (schema.items) allowVariables(schema.items);
  if (schema.anyOf) {
    for (const inner of schema.anyOf) if (!isLeaf(inner)) allowVariables(inner);
    if (schema.anyOf.some(isLeaf)) schema.anyOf.push({ $ref: "#/definitions/variable" });
  } else if (isLeaf(schema)) {
    const { description, ...leaf } = schema;
    for (const key of Object.keys(leaf)) delete schema[key];
    schema.anyOf = [leaf, { $ref: "#/definitions/variable" }];
  }
}

/** A value that a variable's text would not satisfy by itself. */
function isLeaf(schema: Schema): boolean {
  if (schema.properties || schema.items || schema.anyOf || schema.additionalProperties) return false;
  return schema.enum !== undefined || schema.const !== undefined || schema.pattern !== undefined || schema.type !== "string";
}
