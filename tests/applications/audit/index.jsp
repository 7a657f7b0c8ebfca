<%@ include file="/WEB-INF/page.jspf" %>
<p>Other applications report to <code>record.jsp?who=…&amp;what=…</code>; what they say is in the application log.
