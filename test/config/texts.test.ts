import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expand } from "../../src/config/expand.ts";
import { jobJsonSchema } from "../../src/config/job-json-schema.ts";
import { joinList, splitList } from "../../src/config/split-list.ts";
import { renderTemplate, TEMPLATE_NAMES, type TemplateContext } from "../../src/config/templates.ts";
import { formatDuration, parseDuration, parseSize, parseWhole } from "../../src/config/units.ts";
import { instantOf, isTimeZone, wallTimeOf } from "../../src/config/zoned-time.ts";

const CONTEXT: TemplateContext = {
  jobName: "sales",
  timeZone: "Europe/Berlin",
  logicalDate: "2026-03-29",
  ts: new Date("2026-03-29T04:00:00Z"),
  interval: { start: new Date("2026-03-27T23:00:00Z"), end: new Date("2026-03-28T23:00:00Z") },
  previousSuccess: null,
  runId: null,
};

const render = (source: string, context: TemplateContext | null = CONTEXT): string => {
  const result = renderTemplate(source, context);
  return "text" in result ? result.text : `! ${result.message}${result.hints.map((hint) => ` -> ${hint}`).join("")}`;
};

describe("templates", () => {
  it.each([
    [" date ", "2026-03-29"],
    ["date|nodash", "20260329"],
    ["date | days(-1)", "2026-03-28"],
    ["date | days(3) | fmt('%d.%m.%Y')", "01.04.2026"],
    ["ts", "2026-03-29T06:00:00+02:00"],
    ["ts | days(-1)", "2026-03-28T06:00:00+01:00"],
    ["ts | nodash", "20260329T060000"],
    ["interval.start", "2026-03-28T00:00:00+01:00"],
    ['interval.end | fmt("%Y/%m/%d %H:%M:%S")', "2026/03/29 00:00:00"],
    ["job.name", "sales"],
    ["prev_success.date | days(1) | default('1970-01-01')", "1970-01-01"],
    ["date | fmt('%G-W%V-%u day %j, %a %A %b %B %y 100%%')", "2026-W13-7 day 088, Sun Sunday Mar March 26 100%"],
    ["'{{'", "{{"],
    ["date | fmt('a|b')", "a|b"],
  ])("{{%s}} is %s", (source, text) => expect(render(source)).toBe(text));

  it("knows ISO weeks around New Year", () => {
    const week = (logicalDate: string): string => render("date | fmt('%G-%V')", { ...CONTEXT, logicalDate });
    expect([week("2027-01-01"), week("2024-12-30"), week("2026-12-31"), week("2023-01-01")]).toEqual([
      "2026-53",
      "2025-01",
      "2026-53",
      "2022-52",
    ]);
  });

  it.each([
    ["dat", '! {{dat}}: unknown name "dat" -> did you mean date?'],
    ["", "! {{}}: a name is missing -> names are date, ts, interval.start, interval.end, prev_success.date, run.id, job.name"],
    ["date |", "! {{date |}}: a filter is missing -> filters are days, nodash, fmt, default"],
    ["date | nodahs", '! {{date | nodahs}}: unknown filter "nodahs" -> did you mean nodash?'],
    ["date | days", "! {{date | days}}: days() takes a whole number of days -> for example days(-7)"],
    ["date | days(1.5)", "! {{date | days(1.5)}}: days() takes a whole number of days -> for example days(-7)"],
    ["date | fmt(%Y)", '! {{date | fmt(%Y)}}: fmt() takes a pattern in quotes -> for example fmt("%Y-%m")'],
    [
      "date | fmt('%Q')",
      "! {{date | fmt('%Q')}}: fmt() does not know %Q -> it knows %Y %y %m %d %H %M %S %j %B %b %A %a %u %V %G %%",
    ],
    [
      "date | nodash | days(1)",
      '! {{date | nodash | days(1)}}: days() needs a date, and this is the text "20260329" -> put nodash, fmt() and default() after days()',
    ],
    [
      "run.id",
      '! {{run.id}}: run.id is not known here (only a scheduled run knows it) -> give a fallback: {{ run.id | default("...") }}',
    ],
    [
      "process.exit(1)",
      '! {{process.exit(1)}}: unknown name "process.exit(1)" -> names are date, ts, interval.start, interval.end, prev_success.date, run.id, job.name',
    ],
  ])("{{%s}} is refused", (source, message) => expect(render(source)).toBe(message));

  it("never throws, and checks without a context what it would refuse with one", () => {
    const piece = fc.constantFrom(...TEMPLATE_NAMES, "|", "days(1)", "nodash", "fmt('%Y')", "default('x')", " ", '"', "(", "'");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join("")),
        ),
        (source) => {
          const checked = renderTemplate(source, null);
          if ("message" in checked) expect(renderTemplate(source, CONTEXT)).toEqual(checked);
        },
      ),
    );
  });
});

describe("expand", () => {
  const put = (text: string, env: Record<string, string> = {}): string => {
    const { text: out, problems } = expand(text, { env, templates: CONTEXT });
    return problems.length > 0 ? `! ${problems.map(({ message }) => message).join("; ")}` : out;
  };

  it("fills in variables and templates, and nothing else", () => {
    expect(put("${A}/x_{{ date }}.csv", { A: "/data" })).toBe("/data/x_2026-03-29.csv");
    expect(put("${A:-b c}|${B:-}", { A: "" })).toBe("b c|");
    expect(put("$A $${A} 100% {date} }}", { A: "x" })).toBe("$A ${A} 100% {date} }}");
  });

  it("never reads what came out of the environment as a template", () => {
    expect(put("${A}", { A: "{{ date }} ${A}" })).toBe("{{ date }} ${A}");
    expect(put("${A}{ date }}", { A: "{" })).toBe("{{ date }}");
  });

  it("refuses what is not closed, nested or absent", () => {
    expect(put("${A")).toBe('! "${A" is not closed');
    expect(put("{{ date")).toBe('! "{{ date" is not closed');
    expect(put("${A:-${B}}")).toBe("! cannot read ${A:-${B}");
    expect(put("${}")).toBe("! cannot read ${}");
    expect(put("${A} ${B}")).toBe("! environment variable A is not set; environment variable B is not set");
  });

  it("leaves any text without ${ and {{ as it is", () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !/\$\$?\{|\{\{/.test(text)),
        (text) => {
          expect(expand(text, { env: {}, templates: CONTEXT })).toEqual({ text, changed: false, problems: [] });
        },
      ),
    );
  });
});

describe("units", () => {
  it("reads durations, and refuses what is ambiguous", () => {
    expect(["30s", "2h", "1h30m", "500ms", "1d", "1d2h3m4s5ms"].map(parseDuration)).toEqual([
      30_000, 7_200_000, 5_400_000, 500, 86_400_000, 93_784_005,
    ]);
    expect(["", "30", "s", "1m1h", "1h1h", "1.5h", "2 h", "-1s", "1w", "1h30"].map(parseDuration)).toEqual(Array(10).fill(null));
  });

  it("writes durations as it reads them", () => {
    fc.assert(fc.property(fc.nat({ max: 10 ** 12 }), (ms) => parseDuration(formatDuration(ms)) === ms));
    expect(formatDuration(5_400_000)).toBe("1h30m");
  });

  it("reads sizes and whole numbers", () => {
    expect(["8MiB", "8 mb", "64k", "1.5GiB", "1000000", "1B"].map(parseSize)).toEqual([
      8_388_608, 8_000_000, 65_536, 1_610_612_736, 1_000_000, 1,
    ]);
    expect(["", "MiB", "8 pounds", "-1", "1e3"].map(parseSize)).toEqual(Array(5).fill(null));
    expect(["1_000", "7", "1,000", "_1", "1__0", "99999999999999999"].map(parseWhole)).toEqual([1000, 7, null, null, null, null]);
  });
});

describe("splitList", () => {
  it("honours quotes and backslashes", () => {
    expect(splitList('age , "street, no",x\\,y,"say ""hi""", lag_*,\\d,a\\\\').entries).toEqual([
      "age",
      "street, no",
      "x,y",
      'say "hi"',
      "lag_*",
      "\\d",
      "a\\",
    ]);
    expect(splitList(",NA").entries).toEqual(["", "NA"]);
    expect(splitList('" a "').entries).toEqual([" a "]);
    expect(splitList('a"b').entries).toEqual(['a"b']);
    expect(splitList('"a" b').problem).toBe('text after a closing quote in "\\"a\\" b"');
  });

  it("reads back every list it writes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom("a,b", '"', "\\", "\\,", " x ", "")), { minLength: 1 }),
        (entries) => {
          expect(splitList(joinList(entries))).toEqual({ entries, problem: null });
        },
      ),
    );
  });
});

describe("zoned time", () => {
  it("tells zones from other names", () => {
    expect(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"].map(isTimeZone)).toEqual([true, true, true]);
    expect(["", "+02:00", "Berlin", "Europe/Berln", "local"].map(isTimeZone)).toEqual([false, false, false, false, false]);
  });

  it("takes the first of two equal wall times, and skips over a gap", () => {
    const wall = (text: string): number => Date.parse(`${text}Z`);
    const at = (text: string): string => new Date(instantOf(wall(text), "Europe/Berlin")).toISOString();
    expect(at("2026-10-25T02:30:00")).toBe("2026-10-25T00:30:00.000Z");
    expect(at("2026-03-29T02:30:00")).toBe("2026-03-29T01:30:00.000Z");
    expect(new Date(wallTimeOf(Date.parse("2026-03-29T01:30:00Z"), "Europe/Berlin")).toISOString()).toBe(
      "2026-03-29T03:30:00.000Z",
    );
  });

  it("finds its way back from the wall to an instant with that wall time, in any zone", () => {
    const zones = Intl.supportedValuesOf("timeZone");
    const seconds = fc.integer({ min: Date.UTC(1990) / 1000, max: Date.UTC(2040) / 1000 });
    fc.assert(
      fc.property(fc.constantFrom(...zones), seconds, (zone, second) => {
        const wall = wallTimeOf(second * 1000, zone);
        const back = instantOf(wall, zone);
        expect(wallTimeOf(back, zone)).toBe(wall);
        expect(back).toBeLessThanOrEqual(second * 1000);
      }),
      { numRuns: 300 },
    );
  });
});

describe("jobJsonSchema", () => {
  const schema = jobJsonSchema() as { [key: string]: Record<string, unknown> };

  it("is draft-07, closed, and lets variables stand where numbers and choices do", () => {
    expect(schema).toMatchObject({ $schema: "http://json-schema.org/draft-07/schema#", additionalProperties: false });
    expect(schema["required"]).toEqual(["version", "model", "input", "output"]);
    const { limit, output, schedule } = schema["properties"] as Record<
      string,
      { anyOf?: object[]; properties?: Record<string, { anyOf?: object[] }> }
    >;
    expect(limit?.anyOf).toEqual([
      { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      { $ref: "#/definitions/variable" },
    ]);
    expect(output?.properties?.["ifExists"]?.anyOf).toHaveLength(2);
    expect(JSON.stringify(schedule)).not.toContain("#/definitions/variable");
  });

  it("describes its fields for people", () => {
    const { properties } = schema as unknown as { properties: Record<string, { description?: string }> };
    expect(properties["keep"]?.description).toContain("Default: those that feed no model input");
  });
});
