// Prints what GitHub's own parser has against a workflow, a line for each problem.
import { readFileSync } from "node:fs";
import { register } from "node:module";
import { pathToFileURL } from "node:url";

// The parser imports JSON as some versions of Node take it only with this word.
const hook = `export const load = (url, context, next) =>
    next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

const [tools, file] = process.argv.slice(2);
const path = `${tools}/node_modules/@actions/workflow-parser/dist/index.js`;
const { parseWorkflow, NoOperationTraceWriter } = await import(pathToFileURL(path));
const workflow = { name: "workflow.yml", content: readFileSync(file, "utf8") };
const parsed = parseWorkflow(workflow, new NoOperationTraceWriter());
for (const error of parsed.context.errors.getErrors()) {
    console.log(error.message);
}
