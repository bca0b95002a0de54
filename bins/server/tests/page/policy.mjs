// Prints the findings of Google's evaluator for a Content-Security-Policy as JSON: `node policy.mjs POLICY`.
import csp from "csp_evaluator/dist/evaluator.js";
import parser from "csp_evaluator/dist/parser.js";

const parsed = new parser.CspParser(process.argv[2]).csp;
console.log(JSON.stringify(new csp.CspEvaluator(parsed).evaluate()));
