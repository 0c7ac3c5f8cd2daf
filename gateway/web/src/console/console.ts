/** The operator's console. */
import "./console.css";
