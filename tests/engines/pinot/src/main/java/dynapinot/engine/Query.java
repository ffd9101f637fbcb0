package dynapinot.engine;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.pinot.common.datatable.DataTable;
import org.apache.pinot.common.datatable.DataTableFactory;
import org.apache.pinot.common.metrics.BrokerMetrics;
import org.apache.pinot.common.request.BrokerRequest;
import org.apache.pinot.common.request.PinotQuery;
import org.apache.pinot.common.response.broker.BrokerResponseNative;
import org.apache.pinot.core.plan.maker.InstancePlanMakerImplV2;
import org.apache.pinot.core.query.optimizer.QueryOptimizer;
import org.apache.pinot.core.query.reduce.BrokerReduceService;
import org.apache.pinot.core.query.request.context.QueryContext;
import org.apache.pinot.core.query.request.context.utils.QueryContextConverterUtils;
import org.apache.pinot.core.transport.ServerRoutingInstance;
import org.apache.pinot.spi.config.table.TableType;
import org.apache.pinot.spi.env.PinotConfiguration;
import org.apache.pinot.spi.query.QueryThreadContext;
import org.apache.pinot.spi.utils.JsonUtils;
import org.apache.pinot.sql.parsers.CalciteSqlCompiler;
import org.apache.pinot.sql.parsers.CalciteSqlParser;

/**
 * A query of the single-stage engine: parsed and optimized as the broker does it, run as a server does it on all of a
 * table's segments, and reduced by the broker's own code. Left out is what needs a cluster: routing and the network.
 */
final class Query {
  private static final long TIMEOUT_MS = 60_000;
  private static final ExecutorService WORKERS =
      QueryThreadContext.contextAwareExecutorService(Executors.newFixedThreadPool(2, Query::daemon));

  private Query() {
  }

  private static Thread daemon(Runnable work) {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    return thread;
  }

  /** Returns the broker's response: its resultTable, or its exceptions. */
  static JsonNode answer(Table table, String sql) throws Exception {
    PinotQuery query = CalciteSqlParser.compileToPinotQuery(sql);
    new QueryOptimizer().optimize(query, table._schema);
    QueryContext context = QueryContextConverterUtils.getQueryContext(query);
    context.setEndTimeMs(System.currentTimeMillis() + TIMEOUT_MS);
    InstancePlanMakerImplV2 planMaker = new InstancePlanMakerImplV2();
    planMaker.init(new PinotConfiguration());
    try (QueryThreadContext ignored = QueryThreadContext.openForSseTest()) {
      DataTable rows = planMaker.makeInstancePlan(table.contexts(), context, WORKERS).execute().toDataTable();
      BrokerRequest request = CalciteSqlCompiler.convertToBrokerRequest(query);
      BrokerReduceService broker = new BrokerReduceService(new PinotConfiguration());
      ServerRoutingInstance server = new ServerRoutingInstance("server", 1, TableType.REALTIME);
      Map<ServerRoutingInstance, DataTable> answers = new HashMap<>();
      answers.put(server, DataTableFactory.getDataTable(rows.toBytes()));
      BrokerResponseNative response = broker.reduceOnDataTable(request, request, answers, TIMEOUT_MS, BrokerMetrics.get());
      broker.shutDown();
      return JsonUtils.stringToJsonNode(response.toJsonString());
    }
  }
}
