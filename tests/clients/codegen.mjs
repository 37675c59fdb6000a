// graphql-codegen: TypeScript of the schema and of documents, which TypeScript's own compiler then checks.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { codegen } from '@graphql-codegen/core';
import * as operations from '@graphql-codegen/typescript-operations';
import * as types from '@graphql-codegen/typescript';
import { parse } from 'graphql';
import ts from 'typescript';
import { ADJUST, AVAILABLE, CHANGED } from './documents.mjs';

const [, , schemaFile, directory] = process.argv;
const use = path.join(directory, 'use.ts');

async function generate(filename, plugin) {
  const text = await codegen({
    filename,
    schema: parse(readFileSync(schemaFile, 'utf8')),
    documents: [AVAILABLE, ADJUST, CHANGED].map((document) => ({ location: 'story', document: parse(document) })),
    plugins: [{ plugin: {} }],
    pluginMap: { plugin },
    config: { scalars: { DateTime: 'string' }, strictScalars: true },
  });
  writeFileSync(path.join(directory, filename), text);
}

await generate('schema.ts', types);
await generate('operations.ts', operations);
writeFileSync(
  use,
  `import type { AdjustMutationVariables, AvailableQuery } from './operations';
  import type { StockLevel } from './schema';
  export const level = (one: StockLevel): number => one.onHand;
  export const variables: AdjustMutationVariables = {
    input: { sku: 'A', idempotencyKey: 'k', adjustments: [{ locationId: 'EAST', delta: -1 }] },
  };
  export const quantity = (answer: AvailableQuery): number | undefined => answer.availability?.[0]?.availableQuantity;
  `,
);
const options = { strict: true, noEmit: true, types: [], target: ts.ScriptTarget.ES2022, skipLibCheck: false };
const problems = ts.getPreEmitDiagnostics(ts.createProgram([use], options));
const told = problems.map((problem) => ts.flattenDiagnosticMessageText(problem.messageText, ' '));
process.stdout.write(`${JSON.stringify({ problems: told })}\n`);
