package dynapinot.engine;

import com.fasterxml.jackson.databind.node.ArrayNode;
import java.io.File;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.io.FileUtils;
import org.apache.pinot.segment.local.data.manager.TableDataManager;
import org.apache.pinot.segment.local.upsert.TableUpsertMetadataManager;
import org.apache.pinot.segment.local.upsert.TableUpsertMetadataManagerFactory;
import org.apache.pinot.segment.local.upsert.UpsertUtils;
import org.apache.pinot.segment.spi.IndexSegment;
import org.apache.pinot.segment.spi.SegmentContext;
import org.apache.pinot.spi.config.table.TableConfig;
import org.apache.pinot.spi.data.Schema;
import org.apache.pinot.spi.env.PinotConfiguration;

/** A realtime table of one server: its partitions, and the upsert metadata manager that they share. */
final class Table {
  final TableConfig _config;
  final Schema _schema;
  final File _directory;
  private final List<Partition> _partitions = new ArrayList<>();
  private TableUpsertMetadataManager _upsert;

  Table(TableConfig config, Schema schema, int partitions) throws Exception {
    _config = config;
    _schema = schema;
    _directory = Files.createTempDirectory("table-").toFile();
    startUpsert();
    for (int id = 0; id < partitions; id++) {
      _partitions.add(new Partition(this, id, _upsert.getOrCreatePartitionManager(id)));
    }
  }

  Partition partition(int id) {
    return _partitions.get(id);
  }

  /** Reads every row, or those that a query without skipUpsert sees, of one partition, or of all if that is null. */
  void read(boolean history, Integer only, ArrayNode rows) throws Exception {
    for (int id = only == null ? 0 : only; id <= (only == null ? _partitions.size() - 1 : only); id++) {
      for (IndexSegment segment : _partitions.get(id).segments()) {
        Values.read(segment, _schema, history, id, rows);
      }
    }
  }

  /** The segments as a query sees them, with the rows that are valid, as a server without a consistency mode does. */
  List<SegmentContext> contexts() {
    List<SegmentContext> contexts = new ArrayList<>();
    for (Partition partition : _partitions) {
      for (IndexSegment segment : partition.segments()) {
        if (segment.getSegmentMetadata().getTotalDocs() == 0) {
          continue; // as SegmentPrunerService does
        }
        SegmentContext context = new SegmentContext(segment);
        context.setQueryableDocIdsSnapshot(UpsertUtils.getQueryableDocIdsSnapshotFromSegment(segment));
        contexts.add(context);
      }
    }
    return contexts;
  }

  /** Loads the committed segments anew and forgets the consuming ones; what those held is to be ingested again. */
  void restart() throws Exception {
    stopUpsert();
    startUpsert();
    for (int id = 0; id < _partitions.size(); id++) {
      _partitions.get(id).restart(_upsert.getOrCreatePartitionManager(id));
    }
  }

  void drop() throws Exception {
    stopUpsert();
    _partitions.forEach(Partition::destroy);
    FileUtils.deleteDirectory(_directory);
  }

  private void startUpsert() {
    // The manager asks its table for a folder and, to preload segments, for threads; without threads it does not preload.
    TableDataManager server = (TableDataManager) Proxy.newProxyInstance(Table.class.getClassLoader(),
        new Class<?>[] {TableDataManager.class},
        (proxy, method, arguments) -> method.getName().equals("getTableDataDir") ? _directory : null);
    _upsert = TableUpsertMetadataManagerFactory.create(new PinotConfiguration(), _config, _schema, server, null);
  }

  private void stopUpsert() throws Exception {
    _upsert.stop();
    _upsert.close();
  }
}
