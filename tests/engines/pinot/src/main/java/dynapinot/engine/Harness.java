package dynapinot.engine;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.pinot.common.metrics.ServerMetrics;
import org.apache.pinot.segment.local.utils.SchemaUtils;
import org.apache.pinot.segment.local.utils.TableConfigUtils;
import org.apache.pinot.spi.config.table.TableConfig;
import org.apache.pinot.spi.data.Schema;
import org.apache.pinot.spi.utils.JsonUtils;

/**
 * Apache Pinot's own code, without a cluster: one JSON request a line in, one JSON answer a line out.
 *
 * <pre>
 * {"op": "validate", "schema": …, "config": …}              {}
 * {"op": "create", "id": …, "schema": …, "config": …, "partitions": 2}   {}
 * {"op": "ingest", "id": …, "partition": 0, "rows": [base64, …]}   {"outcomes": [{"indexed": 1}, {"dropped": why}, …]}
 * {"op": "rows", "id": …, "history": false, "partition": null}   {"rows": [[partition, {column: value}], …]}  of one or all
 * {"op": "query", "id": …, "sql": …}                         {"response": the broker's}
 * {"op": "commit", "id": …, "partition": 0}                  {}  seals the consuming segment and starts the next one
 * {"op": "restart", "id": …}                                 {}  forgets what is not committed, as a server does
 * {"op": "drop", "id": …}                                    {}
 * </pre>
 *
 * An answer of {"error": …} has the message of what Pinot threw, and those of its causes; the process goes on.
 */
public final class Harness {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Map<String, Table> _tables = new HashMap<>();

  public static void main(String[] arguments) throws Exception {
    PrintStream answers = new PrintStream(System.out, true, StandardCharsets.US_ASCII);
    System.setOut(System.err);
    // Text may hold half of a surrogate pair, which ASCII escapes carry and UTF-8 does not.
    JSON.getFactory().configure(JsonGenerator.Feature.ESCAPE_NON_ASCII, true);
    ServerMetrics.register(Failures.METRICS);
    Harness harness = new Harness();
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      answers.println(JSON.writeValueAsString(harness.answer(line)));
    }
    for (Table table : harness._tables.values()) {
      table.drop();
    }
  }

  private ObjectNode answer(String line) {
    try {
      return answer(JSON.readTree(line));
    } catch (Exception | LinkageError | AssertionError | StackOverflowError error) {
      return JSON.createObjectNode().put("error", messages(error));
    }
  }

  private ObjectNode answer(JsonNode request) throws Exception {
    ObjectNode answer = JSON.createObjectNode();
    switch (request.get("op").asText()) {
      case "validate" -> validate(request);
      case "create" -> _tables.put(request.get("id").asText(),
          new Table(config(request), schema(request), request.get("partitions").asInt()));
      case "ingest" -> {
        ArrayNode outcomes = answer.putArray("outcomes");
        Partition partition = table(request).partition(request.get("partition").asInt());
        for (JsonNode row : request.get("rows")) {
          partition.ingest(row.binaryValue(), outcomes.addObject());
        }
      }
      case "rows" -> {
        JsonNode only = request.get("partition");
        table(request).read(request.get("history").asBoolean(), only.isNull() ? null : only.asInt(),
            answer.putArray("rows"));
      }
      case "query" -> answer.set("response", Query.answer(table(request), request.get("sql").asText()));
      case "commit" -> table(request).partition(request.get("partition").asInt()).commit();
      case "restart" -> table(request).restart();
      case "drop" -> {
        Table table = table(request);
        _tables.remove(request.get("id").asText());
        table.drop();
      }
      default -> throw new IllegalArgumentException("unknown op");
    }
    return answer;
  }

  /** What the controller checks when a table is added: POST /schemas, then POST /tables (PinotTableRestletResource). */
  private static void validate(JsonNode request) throws Exception {
    Schema schema = schema(request);
    SchemaUtils.validate(schema);
    TableConfig config = config(request);
    TableConfigUtils.validateTableName(config);
    TableConfigUtils.validate(config, schema);
  }

  private static Schema schema(JsonNode request) throws Exception {
    return JsonUtils.stringToObject(request.get("schema").toString(), Schema.class);
  }

  private static TableConfig config(JsonNode request) throws Exception {
    return JsonUtils.stringToObject(request.get("config").toString(), TableConfig.class);
  }

  private Table table(JsonNode request) {
    Table table = _tables.get(request.get("id").asText());
    if (table == null) {
      throw new IllegalArgumentException("no such table");
    }
    return table;
  }

  static String messages(Throwable error) {
    StringBuilder text = new StringBuilder();
    for (Throwable each = error; each != null && each != each.getCause(); each = each.getCause()) {
      text.append(text.length() == 0 ? "" : " <- ").append(each.getClass().getSimpleName()).append(": ")
          .append(each.getMessage());
    }
    return text.toString();
  }
}
