declare module "*.css";

declare module "swagger-ui-dist/swagger-ui-bundle.js" {
  interface SwaggerUI {
    (options: { url: string; dom_id: string; deepLinking: boolean; validatorUrl: null; presets: unknown[] }): unknown;
    presets: { apis: unknown };
  }
  const SwaggerUIBundle: SwaggerUI;
  export default SwaggerUIBundle;
}
