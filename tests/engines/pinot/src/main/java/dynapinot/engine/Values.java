package dynapinot.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import org.apache.pinot.segment.local.segment.readers.PinotSegmentColumnReader;
import org.apache.pinot.segment.local.upsert.UpsertUtils;
import org.apache.pinot.segment.spi.IndexSegment;
import org.apache.pinot.spi.data.FieldSpec;
import org.apache.pinot.spi.data.FieldSpec.DataType;
import org.apache.pinot.spi.data.Schema;
import org.apache.pinot.spi.utils.BytesUtils;
import org.roaringbitmap.buffer.MutableRoaringBitmap;

/** Reads a segment's rows back, each value in a form that loses nothing. */
final class Values {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private Values() {
  }

  static void read(IndexSegment segment, Schema schema, boolean history, int partition, ArrayNode rows)
      throws Exception {
    int documents = segment.getSegmentMetadata().getTotalDocs();
    if (documents == 0) {
      return;
    }
    // The rows that a query without skipUpsert sees: the newest of each key, but for deletes.
    MutableRoaringBitmap live = UpsertUtils.getQueryableDocIdsSnapshotFromSegment(segment);
    List<ObjectNode> read = new ArrayList<>();
    for (int document = 0; document < documents; document++) {
      ObjectNode row = NODES.objectNode();
      read.add(row);
      if (history || live.contains(document)) {
        rows.addArray().add(partition).add(row);
      }
    }
    for (FieldSpec field : schema.getAllFieldSpecs()) {
      if (field.isVirtualColumn()) {
        continue;
      }
      try (PinotSegmentColumnReader column = new PinotSegmentColumnReader(segment, field.getName())) {
        for (int document = 0; document < documents; document++) {
          if (history || live.contains(document)) {
            read.get(document).set(field.getName(),
                column.isNull(document) ? NODES.nullNode() : node(field, column.getValue(document)));
          }
        }
      }
    }
  }

  private static JsonNode node(FieldSpec field, Object value) {
    if (field.isSingleValueField()) {
      return node(field.getDataType(), value);
    }
    ArrayNode nodes = NODES.arrayNode();
    for (Object each : (Object[]) value) {
      nodes.add(node(field.getDataType(), each));
    }
    return nodes;
  }

  private static JsonNode node(DataType type, Object value) {
    return switch (type) {
      case INT -> NODES.numberNode((Integer) value);
      case LONG, TIMESTAMP -> NODES.numberNode((Long) value);
      case BOOLEAN -> NODES.booleanNode((Integer) value == 1);
      case FLOAT -> NODES.textNode(Double.toString((Float) value)); // all its digits, as a double has them
      case DOUBLE -> NODES.textNode(Double.toString((Double) value));
      case BIG_DECIMAL -> NODES.textNode(((BigDecimal) value).toPlainString());
      case BYTES -> NODES.textNode(BytesUtils.toHexString((byte[]) value));
      case STRING, JSON -> NODES.textNode((String) value);
      default -> throw new IllegalArgumentException("no column of this harness is a " + type);
    };
  }
}
