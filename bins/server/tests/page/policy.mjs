// What Google's evaluator finds wrong with a Content-Security-Policy: `node policy.mjs POLICY` prints it as JSON.
import csp from "csp_evaluator/dist/evaluator.js";
import parser from "csp_evaluator/dist/parser.js";

const parsed = new parser.CspParser(process.argv[2]).csp;
console.log(JSON.stringify(new csp.CspEvaluator(parsed).evaluate()));
