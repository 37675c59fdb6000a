// Composes subgraphs as a router's build would: `node compose.mjs NAME=FILE …` prints {errors, hints, fields} as JSON.
import { readFileSync } from 'node:fs';
import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';

const services = process.argv.slice(2).map((argument) => {
  const [name, file] = argument.split('=');
  return { name, url: `http://${name}.example/graphql`, typeDefs: parse(readFileSync(file, 'utf8')) };
});
const composed = composeServices(services);
const variant = composed.schema?.toAPISchema?.().type('ProductVariant') ?? composed.schema?.type('ProductVariant');
const sentence = (one) => `${one.extensions?.code ?? one.definition?.code}: ${one.message}`;
console.log(
  JSON.stringify({
    errors: (composed.errors ?? []).map(sentence),
    hints: (composed.hints ?? []).map(sentence),
    fields: variant ? variant.fields().map((field) => `${field.name}: ${field.type}`) : [],
    supergraph: composed.supergraphSdl ?? '',
  }),
);
