export declare function random(seed: number): () => number;
export declare function mutate(bytes: Buffer, other: Buffer, rng: () => number, kind: string): Buffer;
